import Foundation

/// What came back over a connection of its own.
public struct PlainAnswer: Sendable {
    public let status: Int
    /// Status line and headers.
    public let head: String
    public let body: String

    public func header(_ name: String) -> String? {
        head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name.lowercased()):") }.map {
            $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
        }
    }
}

/// Sends exactly these bytes over a connection of its own and reads to its end; the request has to ask for the end (`Connection: close`).
/// - Returns: nil when nothing answers within `seconds`.
public func plainRequest(_ port: Int, _ request: String, within seconds: Int = 5) -> PlainAnswer? {
    guard let descriptor = LoopbackSocket.connect(to: port) else { return nil }
    defer { close(descriptor) }
    var timeout = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    let bytes = Array(request.utf8)
    guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return nil }
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count < 0 { return nil }
        if count == 0 { break }
        answer += chunk[..<count]
    }
    let text = String(decoding: answer, as: UTF8.self)
    guard let end = text.range(of: "\r\n\r\n"),
        let status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap({ Int($0) })
    else { return nil }
    return PlainAnswer(status: status, head: String(text[..<end.lowerBound]), body: String(text[end.upperBound...]))
}

/// `GET` as cheap as can be: fault runs ask for metrics many times a second.
/// - Returns: nil when nothing answers within `seconds`.
public func plainGet(_ port: Int, _ path: String, within seconds: Int = 5) -> (status: Int, body: String)? {
    plainRequest(port, "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", within: seconds).map { ($0.status, $0.body) }
}
