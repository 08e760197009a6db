internal import FaultPoints
internal import HTTPKit
internal import KafkaClient
internal import Logging
internal import Metrics
internal import PostgresClient
public import ServiceKit

/// Kafka topic `telemetry` → PostgreSQL schema `timeseries`, and the HTTP API that reads it back. Wiring only.
public enum TimeseriesWriterService {
    static let httpPort = 8082
    /// The standard key, for naming the replica.
    static let httpPortKey = ConfigKey("http.port", default: httpPort, help: "")

    /// The whole program.
    public static func main() async -> Never { await ServiceMain.run(blueprint) }

    public static let blueprint = ServiceBlueprint(
        name: "timeseries-writer",
        summary: "stores telemetry from Kafka in PostgreSQL, exactly once, and answers queries about it",
        httpPort: httpPort, keys: TimeseriesWriterKeys.table
    ) { reader, context in
        let config = TimeseriesWriterConfig(reader, name: context.name)
        let metrics = TimeseriesWriterMetrics(context.metrics)
        let status = WriterStatus()
        let samples = SampleReader(pool: PostgresPool(config.pool))
        let desk = QueryDesk(reader: samples, limits: config.queryLimits, now: context.now)
        let loop = WriterLoop(config: config, context: context, metrics: metrics, status: status)
        let sealing = SealingLoop(
            url: config.postgresURL, options: config.sealOptions, settings: config.seal, metrics: metrics.seal, status: status,
            logger: context.logger(for: "sealing"), now: context.now)
        return ServiceParts(
            services: [QueryPool(pool: samples.pool), sealing, loop],
            routes: SeriesController(desk: desk).routes + QueryController(desk: desk).routes + LedgerController(reader: samples).routes,
            readiness: [
                ReadinessCheck("database") {
                    try await samples.isReachable()
                    return .ready
                },
                ReadinessCheck("kafka") { status.whyNotConsuming.map { .notReady($0) } ?? .ready },
            ])
    }
}

/// Keeps the query pool until everything that asks has stopped.
struct QueryPool: Service {
    let name = "query-pool"
    let pool: PostgresPool

    func run() async {
        await gracefulShutdown()
        pool.close()
    }
}

/// Migrates the schema, then runs the consumer's loop on a thread of its own.
struct WriterLoop: Service {
    let name = "writer"
    let config: TimeseriesWriterConfig
    let context: ServiceContext
    let metrics: TimeseriesWriterMetrics
    let status: WriterStatus
    /// What a test wants to happen at the steps of a write.
    var fault: @Sendable (WriteStep) throws -> Void = { _ in }

    func run() async throws {
        try await runOnDedicatedThread(name: "writer") { shutdown in
            let logger = context.logger(for: "writer")
            try migrate(logger, shutdown)
            guard !shutdown.isShuttingDown else { return }
            let timer = StageTimer(metrics)
            let sink = PostgresSampleSink(
                url: config.postgresURL, options: config.writerOptions, seriesCacheSize: config.seriesCache,
                ledgerCacheSize: config.ledgerCache, ledgerRanges: config.ledgerRanges
            ) { step in
                timer.reached(step)
                faultPoint("writer.\(step.rawValue)")
                try fault(step)
            }
            let outbox = DeadLetterOutbox(config.kafka, topic: config.deadLetterTopic, logger: logger)
            let writer = TelemetryWriter(
                config.writer, kafka: config.kafka, sink: sink, outbox: outbox, metrics: metrics, status: status, logger: logger,
                now: context.now)
            try writer.run(until: shutdown, metrics: context.metrics)
        }
    }

    /// Tries until the database is there: a service that starts before its database waits for it.
    private func migrate(_ logger: Logger, _ shutdown: ShutdownSignal) throws {
        var backoff = Backoff()
        while !shutdown.isShuttingDown {
            do {
                let connection = try PostgresConnection(config.postgresURL, config.writerOptions)
                let applied = try Schema.migrator.migrate(connection)
                if !applied.isEmpty { logger.info("schema migrated", metadata: ["versions": "\(applied)"]) }
                status.migrated()
                status.failed(nil)
                return
            } catch let error as PostgresError where error.isRetriable {
                status.failed("\(error)")
                let delay = backoff.next()
                logger.warning("cannot migrate the schema yet, trying again", metadata: ["error": "\(error)", "delay": "\(delay)"])
                shutdown.wait(atMost: delay)
            }
        }
    }
}
