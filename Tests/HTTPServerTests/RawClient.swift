import Foundation

/// A TCP client that sends exactly the bytes it is told. Blocking: use it inside `onThread`.
///
/// Unchecked: a test hands it from one thread to the next and never uses it on two at once.
final class RawClient: @unchecked Sendable {
    struct Failure: Error { let reason: String }

    struct Answer {
        let status: Int
        let head: String
        let body: [UInt8]

        func header(_ name: String) -> String? {
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name.lowercased() + ": ") }.map {
                String($0.dropFirst(name.count + 2))
            }
        }
    }

    let descriptor: Int32
    private var pending: [UInt8] = []

    init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        if var size = receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size)) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { throw Failure(reason: "connect: errno \(errno)") }
    }

    deinit { close(descriptor) }

    /// - Returns: false when the server has closed the connection.
    @discardableResult
    func send(_ bytes: some Sequence<UInt8>) -> Bool {
        let all = Array(bytes)
        var sent = 0
        while sent < all.count {
            let count = all[sent...].withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(text.utf8) }

    /// Sends what the socket takes without waiting.
    func sendAvailable(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { max(0, Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))) }
    }

    /// Whether bytes or the end of the connection come within so many milliseconds.
    func isReadable(within milliseconds: Int32) -> Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, milliseconds) > 0
    }

    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Some bytes; nil at the end of the connection.
    func receive() throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return Array(buffer[..<count]) }
        if count == 0 || errno == ECONNRESET { return nil }
        throw Failure(reason: "nothing arrived within 20 s (errno \(errno))")
    }

    /// Everything until the server closes.
    func receiveAll() throws -> [UInt8] {
        var all = pending
        pending = []
        while let bytes = try receive() { all += bytes }
        return all
    }

    /// Bytes until `marker` has come, inclusive.
    func receive(until marker: String) throws -> [UInt8] {
        let wanted = Array(marker.utf8)
        while true {
            if let end = pending.firstRange(of: wanted)?.upperBound {
                defer { pending.removeFirst(end) }
                return Array(pending[..<end])
            }
            guard let more = try receive() else { throw Failure(reason: "closed before '\(marker)'") }
            pending += more
        }
    }

    /// One answer with a `Content-Length`; nil when the connection was closed before its first byte.
    func answer() throws -> Answer? {
        if pending.isEmpty {
            guard let more = try receive() else { return nil }
            pending += more
        }
        let head = String(decoding: try receive(until: "\r\n\r\n"), as: UTF8.self)
        let answer = Answer(status: Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0, head: head, body: [])
        let length = Int(answer.header("Content-Length") ?? "0") ?? 0
        while pending.count < length {
            guard let more = try receive() else { throw Failure(reason: "closed within a body of \(length) bytes") }
            pending += more
        }
        defer { pending.removeFirst(length) }
        return Answer(status: answer.status, head: head, body: Array(pending[..<length]))
    }
}

extension RawClient {
    /// Gives up what was received beyond the last marker.
    func receivePending() throws -> Int {
        defer { pending = [] }
        return pending.count
    }
}
