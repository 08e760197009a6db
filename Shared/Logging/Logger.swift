import Synchronization

/// Writes events as JSON lines; the shape is that of swift-log's `Logger`.
///
/// A line is `{"ts":…,"level":…,"label":…,"message":…}` followed by the metadata in the order of their keys. `ts` is RFC 3339 in
/// UTC. A metadata key that is one of those four names is written as `metadata.<name>`.
public struct Logger: Sendable {
    /// Names the part of the program that speaks: `ingestion.mqtt`.
    public let label: String
    private var metadata: [String: String] = [:]
    private var ownLevel: Level?
    private let ownSink: LogSink?

    /// - Parameters:
    ///   - level: nil follows the process-wide level of `bootstrap`.
    ///   - sink: nil follows the process-wide sink; tests give their own.
    public init(label: String, level: Level? = nil, sink: LogSink? = nil) {
        self.label = label
        ownLevel = level
        ownSink = sink
    }

    /// Events below this level are neither built nor written.
    public var level: Level {
        get { ownLevel ?? LogSystem.level }
        set { ownLevel = newValue }
    }

    /// Metadata that every event of this logger carries.
    public subscript(metadataKey key: String) -> String? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// A logger with the same level, sink and metadata and another label, for a part of the same service.
    public func labelled(_ label: String) -> Logger {
        var logger = Logger(label: label, level: ownLevel, sink: ownSink)
        logger.metadata = metadata
        return logger
    }

    /// Sets level and sink of the whole process. Called once, by the start-up; loggers made before follow too.
    public static func bootstrap(level: Level, sink: LogSink = .standardError) {
        LogSystem.bootstrap(level: level, sink: sink)
    }

    /// Writes one event. Neither closure is evaluated below the level.
    public func log(level: Level, _ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        guard level >= self.level else { return }
        var line = JSONLine()
        line.append(key: "ts", value: WallTime.now.rfc3339)
        line.append(key: "level", value: level.description)
        line.append(key: "label", value: label)
        line.append(key: "message", value: message())
        let all = self.metadata.merging(metadata()) { _, new in new }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line.append(key: Self.reservedKeys.contains(key) ? "metadata.\(key)" : key, value: value)
        }
        line.finish()
        (ownSink ?? LogSystem.sink).write(line.bytes)
    }

    private static let reservedKeys: Set<String> = ["ts", "level", "label", "message"]
}

extension Logger {
    public func trace(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .trace, message(), metadata: metadata())
    }

    public func debug(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .debug, message(), metadata: metadata())
    }

    public func info(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .info, message(), metadata: metadata())
    }

    public func notice(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .notice, message(), metadata: metadata())
    }

    public func warning(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .warning, message(), metadata: metadata())
    }

    public func error(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .error, message(), metadata: metadata())
    }

    public func critical(_ message: @autoclosure () -> String, metadata: @autoclosure () -> [String: String] = [:]) {
        log(level: .critical, message(), metadata: metadata())
    }
}

/// The process-wide level and sink. The level is read for every event, so it is atomic; the sink only for events that are written.
private enum LogSystem {
    private static let levelNumber = Atomic<UInt8>(Logger.Level.info.rawValue)
    private static let currentSink = Mutex<LogSink>(.standardError)

    static var level: Logger.Level {
        Logger.Level(rawValue: levelNumber.load(ordering: .relaxed)) ?? .info
    }

    static var sink: LogSink { currentSink.withLock { $0 } }

    static func bootstrap(level: Logger.Level, sink: LogSink) {
        currentSink.withLock { $0 = sink }
        levelNumber.store(level.rawValue, ordering: .relaxed)
    }
}
