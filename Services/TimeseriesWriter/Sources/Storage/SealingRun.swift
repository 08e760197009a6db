import Domain
import Logging
import Metrics
import PostgresClient

/// How sealing works.
struct SealSettings: Sendable {
    /// A day is sealed when it has been over for so long.
    var allowance: Duration
    /// Between runs.
    var interval: Duration
    var retention: RetentionRules
}

/// One run of the elected replica: raises the horizon, seals days, merges what came late, drops what is not kept. Each part is made of
/// transactions of its own, so that a run may end anywhere.
struct SealingRun {
    let connection: PostgresConnection
    let settings: SealSettings
    let metrics: SealMetrics
    let logger: Logger
    let watch: SealWatch

    /// - Parameter now: this machine's clock, microseconds since the Unix epoch.
    func run(now: Int64) throws {
        let time = min(now, try databaseClock())
        try SealState.raise(to: RollupTier.day.start(of: time - settings.allowance.wholeMicroseconds), on: connection)
        try watch.observe(.raised)
        try sealDays()
        let state = try SealState.read(connection)
        metrics.sealedBefore.set(Double(state.sealedBefore) * 1e-6)
        try mergeLate(before: state.sealedBefore)
        try RetentionSweep(connection: connection, rules: settings.retention, watch: watch).run(now: time) { dropped in
            metrics.dropped(dropped.tier).increment(by: UInt64(dropped.tier == .raw ? dropped.points : dropped.rows))
            logger.info(
                "dropped by retention",
                metadata: [
                    "rule": "\(dropped.rule)", "tier": "\(dropped.tier.rawValue)", "rows": "\(dropped.rows)", "points": "\(dropped.points)",
                ])
        }
        try countLate()
    }

    /// The earlier of two clocks decides: one that is wrong cannot drive the horizon into the future, from where it never comes back.
    private func databaseClock() throws -> Int64 {
        guard let row = try connection.query("SELECT clock_timestamp()").first else {
            throw PostgresError(state: .protocolViolation, message: "clock_timestamp() gave no row")
        }
        return try row.microseconds(0)
    }

    private func sealDays() throws {
        let sealer = DaySealer(connection: connection, watch: watch)
        let state = try SealState.read(connection)
        for day in try sealer.daysToSeal(before: state.horizon) {
            try watch.checkpoint()
            let begin = ContinuousClock.now
            let report = try sealer.seal(day: day, sealedBefore: state.sealedBefore)
            let took = ContinuousClock.now - begin
            metrics.points.increment(by: UInt64(report.points))
            metrics.hours.increment(by: UInt64(report.hours))
            metrics.bytes.increment(by: UInt64(report.bytes))
            metrics.seconds.observe(took)
            logger.info(
                "day sealed",
                metadata: [
                    "day": "\(DaySealer.text(ofDay: day))", "points": "\(report.points)", "hours": "\(report.hours)",
                    "bytes": "\(report.bytes)", "took": "\(took)",
                ])
        }
        try SealState.advance(to: state.horizon, on: connection)
    }

    private func mergeLate(before sealedBefore: Int64) throws {
        var rows = 0
        try LateMerger(connection: connection, watch: watch).merge(before: sealedBefore) { report in
            rows += report.rows
            metrics.lateMerged.increment(by: UInt64(report.rows))
            if report.expired > 0 { metrics.dropped(.raw).increment(by: UInt64(report.expired)) }
        }
        if rows > 0 { logger.info("late samples merged", metadata: ["rows": "\(rows)"]) }
    }

    private func countLate() throws {
        guard let row = try connection.query("SELECT count(*) FROM timeseries.late_samples").first else { return }
        metrics.lateWaiting.set(Double(try row.get(0, as: Int.self)))
    }
}
