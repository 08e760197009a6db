import Synchronization

/// Why a streamed answer could not be written further.
public enum HTTPStreamError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The client closed the connection, or the server is stopping.
    case clientLeft
    /// More bytes than the announced `Content-Length`.
    case lengthExceeded

    public var description: String {
        switch self {
        case .clientLeft: "the client left before the answer was complete"
        case .lengthExceeded: "the answer is longer than its announced Content-Length"
        }
    }
}

/// The writing end of a streamed answer. What is written and not yet sent is bounded by the server's `streamBuffer` plus one write.
public struct HTTPBodyWriter: Sendable {
    enum Sink: Sendable {
        case exchange(Exchange)
        case collector(BodyCollector)
    }

    let sink: Sink

    /// Hands bytes to the connection as one piece; suspends while the buffer is full.
    /// - Throws: `HTTPStreamError`, or `CancellationError` when the task was cancelled while waiting.
    public func write(_ bytes: [UInt8]) async throws {
        switch sink {
        case .exchange(let exchange): try await exchange.write(bytes)
        case .collector(let collector): collector.append(bytes)
        }
    }

    public func write(_ text: String) async throws { try await write(Array(text.utf8)) }
}

/// Takes a streamed body in memory.
final class BodyCollector: Sendable {
    private let storage = Mutex<[UInt8]>([])
    func append(_ bytes: [UInt8]) { storage.withLock { $0.append(contentsOf: bytes) } }
    var bytes: [UInt8] { storage.withLock { $0 } }
}

/// Writes server-sent events.
public struct HTTPEventWriter: Sendable {
    private let writer: HTTPBodyWriter

    init(_ writer: HTTPBodyWriter) { self.writer = writer }

    /// One event. Line breaks in `data` become several `data:` lines; those in `event` and `id` are dropped.
    /// - Parameter retry: milliseconds after which the client shall reconnect.
    public func send(_ data: String, event: String? = nil, id: String? = nil, retry: Int? = nil) async throws {
        var text: [UInt8] = []
        func field(_ name: String, _ value: some Sequence<UInt8>) {
            text.append(contentsOf: name.utf8)
            text.append(contentsOf: ": ".utf8)
            text.append(contentsOf: value)
            text.append(0x0A)
        }
        if let id { field("id", id.utf8.filter { $0 != 0x0A && $0 != 0x0D && $0 != 0 }) }
        if let event { field("event", event.utf8.filter { $0 != 0x0A && $0 != 0x0D }) }
        if let retry { field("retry", String(retry).utf8) }
        for line in Self.lines(data) { field("data", line) }
        text.append(0x0A)
        try await writer.write(text)
    }

    /// CR, LF and CR LF all end a line of the event stream format.
    static func lines(_ text: String) -> [ArraySlice<UInt8>] {
        let bytes = Array(text.utf8)
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        var index = 0
        while index < bytes.count {
            if bytes[index] == 0x0A || bytes[index] == 0x0D {
                lines.append(bytes[start..<index])
                if bytes[index] == 0x0D, index + 1 < bytes.count, bytes[index + 1] == 0x0A { index += 1 }
                start = index + 1
            }
            index += 1
        }
        lines.append(bytes[start...])
        return lines
    }
}
