import Foundation

/// One connection over which requests follow each other; reads each answer to its last byte.
final class QueryClient {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    /// The whole answer, while it is wanted.
    private var kept: [UInt8]?

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { throw BenchmarkFailure("cannot connect to port \(port)") }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// - Returns: milliseconds from sending the request to its answer's last byte.
    func time(_ request: String) throws -> Double {
        let bytes = Array(request.utf8)
        let begin = ContinuousClock.now
        guard send(descriptor, bytes, bytes.count, 0) == bytes.count else { throw BenchmarkFailure("cannot send") }
        try readAnswer(request)
        return milliseconds(since: begin)
    }

    /// What the answer says behind its head.
    func body(of request: String) throws -> String {
        kept = []
        defer { kept = nil }
        _ = try time(request)
        let answer = kept ?? []
        let end = answer.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound ?? answer.endIndex
        return String(decoding: answer[end...], as: UTF8.self)
    }

    private func readAnswer(_ request: String) throws {
        var head: [UInt8] = []
        var tail: [UInt8] = []
        var missing: Int?
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw BenchmarkFailure("the connection broke in the answer to \(request.prefix(80))") }
            let part = buffer[..<count]
            kept? += part
            tail = Array((tail + part.suffix(5)).suffix(5))
            if let left = missing {
                missing = left - count
            } else if head.count < 16_384 {
                head += part
                missing = try length(head, request)
            }
            // A chunked body ends with an empty chunk.
            if let left = missing, left >= 0 ? left == 0 : tail == Array("0\r\n\r\n".utf8) { return }
        }
    }

    /// Bytes of the body that are still to come; far below zero for a chunked one; nil without the whole head.
    private func length(_ head: [UInt8], _ request: String) throws -> Int? {
        guard let end = head.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let text = String(decoding: head[..<end.lowerBound], as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 200") else {
            throw BenchmarkFailure("\(request.prefix(100)): \(String(decoding: head, as: UTF8.self))")
        }
        for line in text.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length: ") {
            return (Int(line.dropFirst(16)) ?? 0) - (head.count - end.upperBound)
        }
        return Int.min / 2
    }
}
