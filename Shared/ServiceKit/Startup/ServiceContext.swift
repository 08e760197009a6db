public import Domain
import FoundationEssentials
public import Logging
public import Metrics

/// What the start-up hands to a service. Tests make their own.
public struct ServiceContext: Sendable {
    /// Product name: `ingestion`.
    public let name: String
    public let logger: Logger
    public let metrics: MetricsRegistry
    /// Measures waits; a test gives one that it moves by hand.
    public let clock: any Clock<Duration>
    /// What time it is; a test gives its own.
    public let now: @Sendable () -> Timestamp

    public init(
        name: String, logger: Logger, metrics: MetricsRegistry = MetricsRegistry(), clock: any Clock<Duration> = ContinuousClock(),
        now: @escaping @Sendable () -> Timestamp = ServiceContext.systemTime
    ) {
        self.name = name
        self.logger = logger
        self.metrics = metrics
        self.clock = clock
        self.now = now
    }

    /// The system's wall clock.
    @Sendable public static func systemTime() -> Timestamp {
        Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6))
    }

    /// A logger whose label is the service's with a part: `ingestion.mqtt`.
    public func logger(for part: String) -> Logger { logger.labelled("\(name).\(part)") }
}
