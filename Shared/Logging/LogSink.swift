import Glibc
import Synchronization

/// Where finished lines go. A line arrives whole, with its line feed.
public struct LogSink: Sendable {
    private let take: @Sendable ([UInt8]) -> Void

    public init(_ take: @escaping @Sendable ([UInt8]) -> Void) {
        self.take = take
    }

    func write(_ line: [UInt8]) { take(line) }

    /// One `write(2)` a line, so that lines of several threads never mix. What the descriptor refuses is lost: a log must not
    /// stop the service.
    public static let standardError = LogSink { line in writeLine(line, to: STDERR_FILENO) }

    /// Keeps the newest lines in memory, for tests.
    public static func recording(into record: LogRecord) -> LogSink {
        LogSink { line in record.append(line) }
    }

    static func writeLine(_ line: [UInt8], to descriptor: Int32) {
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let base = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
                let written = Glibc.write(descriptor, base, rest.count)
                if written > 0 {
                    rest = rest.dropFirst(written)
                } else if errno != EINTR {
                    return
                }
            }
        }
    }
}

/// Lines a test has caught.
public final class LogRecord: Sendable {
    private let stored = Mutex<[String]>([])
    private let capacity: Int

    public init(capacity: Int = 10_000) {
        self.capacity = capacity
    }

    public var lines: [String] { stored.withLock { $0 } }

    func append(_ line: [UInt8]) {
        stored.withLock { lines in
            if lines.count == capacity { lines.removeFirst() }
            lines.append(String(decoding: line, as: UTF8.self))
        }
    }
}
