import Domain
import Metrics

/// Everything the service counts. Conservation, in Kafka records: consumed = written + duplicate + dead-lettered + returned + in flight.
final class TimeseriesWriterMetrics: Sendable {
    let consumed: Counter
    let written: Counter
    let duplicate: Counter
    /// Records handed back to Kafka because their transaction failed or their partition went away; they are consumed again.
    let returned: Counter
    let inFlight: Gauge
    let rowsWritten: Counter
    let rowsDuplicate: Counter
    let rowsUnverified: Counter
    let rowsLate: Counter
    let batches: Counter
    let failures: Counter
    let fenced: Counter
    let incident: Gauge
    let endToEnd: Histogram
    let ingestToStored: Histogram
    let seal: SealMetrics
    private let registry: MetricsRegistry
    private let stages: [WriteStep: Histogram]

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        consumed = registry.counter("iot_records_consumed_total", help: "Kafka records taken from topic telemetry.")
        written = registry.counter("iot_records_written_total", help: "Records of which at least one row was committed.")
        duplicate = registry.counter("iot_records_duplicate_total", help: "Records dropped because the ledger had all of them already.")
        returned = registry.counter(
            "iot_records_returned_total",
            help: "Records handed back because their transaction failed or their partition was revoked; they are consumed again.")
        inFlight = registry.gauge("iot_records_in_flight", help: "Records consumed and not yet committed.")
        rowsWritten = registry.counter("iot_rows_written_total", help: "Samples committed to PostgreSQL.")
        rowsDuplicate = registry.counter("iot_rows_duplicate_total", help: "Samples dropped because the ledger had them already.")
        rowsUnverified = registry.counter(
            "iot_rows_unverified_total", help: "Samples stored although their number lay below the ledger's floor: repeats are possible.")
        rowsLate = registry.counter(
            "iot_rows_late_total", help: "Samples committed that were older than the horizon: they wait for the next sealing run.")
        batches = registry.counter("iot_write_batches_total", help: "Transactions committed.")
        failures = registry.counter("iot_write_failures_total", help: "Transactions that failed and are tried again.")
        fenced = registry.counter(
            "iot_write_fenced_total", help: "Transactions refused because the stored offset was not where this writer believed it to be.")
        incident = registry.gauge("iot_consumer_incident", help: "1 while a partition's stored offset is not in Kafka's log any more.")
        let long = Histogram.latencyBuckets + [30, 60, 300, 3600]
        endToEnd = registry.histogram("iot_end_to_end_seconds", help: "From a sample's device time to its commit.", buckets: long)
        ingestToStored = registry.histogram(
            "iot_ingest_to_stored_seconds", help: "From a record's ingest time to its commit.", buckets: long)
        seal = SealMetrics(registry)
        stages = Dictionary(
            uniqueKeysWithValues: WriteStep.allCases.filter { $0 != .begin }.map { step in
                (
                    step,
                    registry.histogram(
                        "iot_write_stage_seconds", help: "Time a transaction spends in each stage.", labels: ["stage": step.rawValue])
                )
            })
        _ = deadLettered(reason: "truncated")
    }

    /// Reasons are a closed set of codes, so they may be a label.
    func deadLettered(reason: String) -> Counter {
        registry.counter(
            "iot_records_dead_lettered_total", help: "Records sent to the dead-letter topic, by reason.", labels: ["reason": reason])
    }

    func observe(_ step: WriteStep, took duration: Duration) { stages[step]?.observe(duration) }
}

/// Measures the time between the steps of a write. Confined to the consumer's thread.
final class StageTimer {
    private let metrics: TimeseriesWriterMetrics
    private var last = ContinuousClock.now

    init(_ metrics: TimeseriesWriterMetrics) { self.metrics = metrics }

    func reached(_ step: WriteStep) {
        let now = ContinuousClock.now
        if step != .begin { metrics.observe(step, took: now - last) }
        last = now
    }
}

/// What sealing counts. Only the elected replica's numbers move.
struct SealMetrics: Sendable {
    let isLeader: Gauge
    let points: Counter
    let hours: Counter
    let bytes: Counter
    let seconds: Histogram
    let failures: Counter
    let lateMerged: Counter
    let lateWaiting: Gauge
    let sealedBefore: Gauge
    private let dropped: [RetentionTier: Counter]

    init(_ registry: MetricsRegistry) {
        isLeader = registry.gauge("iot_seal_leader", help: "1 in the replica that seals.")
        points = registry.counter("iot_seal_points_total", help: "Samples moved from day partitions into sealed hours.")
        hours = registry.counter("iot_seal_hours_total", help: "Hours of a series made by sealing days.")
        bytes = registry.counter("iot_seal_bytes_total", help: "Bytes of column chunks made by sealing days.")
        seconds = registry.histogram(
            "iot_seal_day_seconds", help: "Time to seal a day.", buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400])
        failures = registry.counter("iot_seal_failures_total", help: "Sealing runs that failed; the next one goes on.")
        lateMerged = registry.counter("iot_seal_late_merged_total", help: "Late samples merged into sealed hours.")
        lateWaiting = registry.gauge("iot_late_rows_waiting", help: "Late samples not merged yet, as of the last sealing run.")
        sealedBefore = registry.gauge(
            "iot_sealed_before_timestamp_seconds",
            help: "What is older is sealed, as of the last sealing run; seconds since the Unix epoch.")
        dropped = Dictionary(
            uniqueKeysWithValues: RetentionTier.allCases.map { tier in
                (
                    tier,
                    registry.counter(
                        "iot_retention_dropped_total", help: "Dropped by retention: samples of tier raw, roll-up rows of the others.",
                        labels: ["tier": tier.rawValue])
                )
            })
    }

    func dropped(_ tier: RetentionTier) -> Counter { dropped[tier] ?? points }
}
