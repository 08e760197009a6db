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

    public init(
        name: String, logger: Logger, metrics: MetricsRegistry = MetricsRegistry(), clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.name = name
        self.logger = logger
        self.metrics = metrics
        self.clock = clock
    }

    /// A logger whose label is the service's with a part: `ingestion.mqtt`.
    public func logger(for part: String) -> Logger { logger.labelled("\(name).\(part)") }
}
