import Foundation
import TestSupport
import Testing

/// The writer dies between the steps of sealing (`SealStep` of its sources); after each death the database holds the old or the new.
@Suite("Sealing, killed", .serialized, .blockingThreads, .requiresOwnKafka, .requiresFaultBuild)
struct SealKillTests {
    @Test("at every step: each day is raw or sealed, never both or neither; samples and roll-ups are those that were sent")
    func atEveryStep() async throws {
        let past = SealedPast(days: 7)
        try await SealScene.with { scene in
            try await scene.feed(past.readings, with: SealScene.waiting)
            try scene.expect(past, sealed: 0)
            // A day's transaction is over with its last step: what dies before leaves that day as it was.
            let deaths = [("raised", 1, 0), ("locked", 2, 1), ("read", 1, 1), ("written", 2, 2), ("dropped", 2, 3), ("committed", 1, 4)]
            for (step, time, sealed) in deaths {
                try await scene.die(at: step, time: time)
                try scene.expect(past, sealed: sealed, "killed at \(step)")
            }
            try await scene.feed(past.late, with: SealScene.sealingOnce, after: past.days)
            try scene.expect(past, sealed: past.days, late: .waiting)
            let lateDeaths: [(String, SealedPast.Late)] = [
                ("lateTaken", .waiting), ("lateRead", .waiting), ("lateWritten", .waiting), ("lateCommitted", .merged),
            ]
            for (step, late) in lateDeaths {
                try await scene.die(at: step)
                try scene.expect(past, sealed: past.days, late: late, "killed at \(step)")
            }
            // A tier of one metric is dropped; everything else stays, and so do that metric's roll-ups.
            let rule = ["MARTLET_RETENTION_RULES": "\(SealedPast.brief) raw=1d"]
            try await scene.die(at: "expired", more: rule)
            try scene.expect(past, sealed: past.days, late: .merged, isExpired: true, "killed at expired")
            try await scene.liveThroughARun(more: rule)
            try scene.expect(past, sealed: past.days, late: .merged, isExpired: true, "alive")
        }
    }
}

/// What devices sent on days that are over, and what the database must hold of it.
struct SealedPast: Sendable {
    enum Late: Sendable { case unsent, waiting, merged }

    struct Reading: Sendable {
        let device: String
        let metric: String
        /// Seconds since the Unix epoch.
        let time: Int
        /// Quarters, so that every sum is exact.
        let quarters: Int
    }

    /// The metric that retention drops.
    static let brief = "brief"
    private static let daySeconds = 86_400
    let days: Int
    /// Begin of the oldest day, UTC.
    let begin: Int
    let readings: [Reading]
    let late: [Reading]

    /// Days before yesterday: those are over whatever the hour is.
    init(days: Int) {
        let begin = (Int(Date().timeIntervalSince1970) / Self.daySeconds - days - 1) * Self.daySeconds
        func readings(every seconds: Int, from offset: Int) -> [Reading] {
            stride(from: begin + offset, to: begin + days * Self.daySeconds, by: seconds).flatMap { time in
                ["seal-1", "seal-2"].flatMap { device in
                    ["level", Self.brief].map { metric in
                        Reading(device: device, metric: metric, time: time, quarters: (time / 60 &* 7919 + device.utf8.count) % 997 - 400)
                    }
                }
            }
        }
        self.days = days
        self.begin = begin
        self.readings = readings(every: 1_200, from: 0)
        late = readings(every: 7_000, from: 7)
    }

    func beginning(ofDay day: Int) -> Int { begin + day * Self.daySeconds }

    /// `device metric time quarters`, as `SealScene` reads them.
    func lines(late: Late, isExpired: Bool) -> [String] {
        (readings + (late == .unsent ? [] : self.late)).filter { !isExpired || $0.metric != Self.brief }
            .map { "\($0.device) \($0.metric) \($0.time) \($0.quarters)" }.sorted()
    }

    /// `device metric begin count quarters` of all periods that are sealed.
    func rollups(seconds: Int, sealed: Int, late: Late) -> [String] {
        var states: [String: (count: Int, quarters: Int)] = [:]
        for reading in readings + (late == .merged ? self.late : []) where reading.time < beginning(ofDay: sealed) {
            let key = "\(reading.device) \(reading.metric) \(reading.time / seconds * seconds)"
            states[key, default: (0, 0)].count += 1
            states[key, default: (0, 0)].quarters += reading.quarters
        }
        return states.map { "\($0.key) \($0.value.count) \($0.value.quarters)" }.sorted()
    }
}

/// Kafka, PostgreSQL and one writer, which lives and dies with other settings each time.
final class SealScene: Sendable {
    /// Nothing is old enough to be sealed.
    static let waiting = ["MARTLET_SEAL_ALLOWANCE": "30d", "MARTLET_SEAL_INTERVAL": "1d"]
    /// Seals at its start; what comes late meanwhile waits.
    static let sealingOnce = ["MARTLET_SEAL_ALLOWANCE": "1m", "MARTLET_SEAL_INTERVAL": "1d"]
    private static let sealing = ["MARTLET_SEAL_ALLOWANCE": "1m", "MARTLET_SEAL_INTERVAL": "100ms"]

    private let folder: URL
    private let kafka: KafkaServer
    private let postgres: PostgresServer
    private let database: String
    private let writer: RunningService

    private init() async throws {
        folder = try makeTemporaryFolder("seal-kills")
        kafka = try await KafkaServer(.apache)
        postgres = try await PostgresServer(durable: true)
        let url = try postgres.makeDatabase()
        database = url.split(separator: "/").last.map(String.init) ?? ""
        writer = try RunningService(
            "timeseries-writer", folder: folder,
            environment: [
                "MARTLET_KAFKA_BOOTSTRAP": kafka.bootstrap, "MARTLET_KAFKA_SESSION_TIMEOUT": "3s", "MARTLET_POSTGRES_URL": url,
            ])
        let created = try await runToEnd(Binaries.path("martlet"), ["topics", "create", "--kafka", kafka.bootstrap])
        guard created.code == 0 else { throw SupportError("martlet topics create: \(created.errors)") }
    }

    static func with(_ body: (SealScene) async throws -> Void) async throws {
        let scene = try await SealScene()
        do {
            try await body(scene)
            await scene.end()
            try? FileManager.default.removeItem(at: scene.folder)
        } catch {
            await scene.end()
            throw error
        }
    }

    private func end() async {
        _ = try? await writer.stop(SIGKILL)
        try? await kafka.kill()
        await postgres.remove()
    }

    // MARK: Lives

    /// Publishes and waits until all is stored. The writer ends in order.
    /// - Parameter days: sealed before anything is published.
    func feed(_ readings: [SealedPast.Reading], with settings: [String: String], after days: Int = 0) async throws {
        try await writer.startAndAwaitReady(.release, settings)
        try await eventually("\(days) days are sealed; log: \(writer.log)", within: 60) { try self.sealedDays() == days }
        let stored = try count("timeseries.readings")
        let outcome = try await runToEnd(
            Binaries.path("martlet"), ["publish", "telemetry", "--kafka", kafka.bootstrap], input: Self.records(readings))
        guard outcome.code == 0 else { throw SupportError("martlet publish: \(outcome.errors)") }
        try await eventually("all readings are stored; log: \(writer.log)", within: 60) {
            try self.count("timeseries.readings") >= stored + readings.count
        }
        try await writer.stop(SIGTERM)
    }

    /// A life that ends at a step of sealing.
    func die(at step: String, time: Int = 1, more: [String: String] = [:]) async throws {
        let arming = ["FAULT_POINT": "writer.seal.\(step):\(time)"]
        try writer.start(.faults, Self.sealing.merging(arming) { $1 }.merging(more) { $1 })
        try await eventually("the writer dies at \(step), time \(time); log: \(writer.log)", within: 60) { !self.writer.isRunning }
        let code = try await writer.stop(SIGKILL)
        guard code == 128 + SIGKILL else { throw SupportError("the writer was to die at \(step) and ended with \(code)") }
    }

    /// A life that nobody disturbs, until a run of sealing has come to its end.
    func liveThroughARun(more: [String: String]) async throws {
        try writer.start(.release, Self.sealing.merging(more) { $1 })
        try await eventually("the writer has sealed; log: \(writer.log)", within: 60) {
            self.writer.count("iot_sealed_before_timestamp_seconds") > 0
        }
        try await writer.stop(SIGTERM)
    }

    /// One telemetry record per device and day, as `martlet publish` reads them.
    private static func records(_ readings: [SealedPast.Reading]) -> String {
        let format = ISO8601DateFormatter()
        return Dictionary(grouping: readings) { "\($0.device) \($0.time / 86_400)" }.values.map { group in
            let samples = group.map { reading in
                let time = format.string(from: Date(timeIntervalSince1970: Double(reading.time)))
                return #"{"metric":"\#(reading.metric)","time":"\#(time)","value":\#(Double(reading.quarters) / 4)}"#
            }
            return #"{"device":"\#(group[0].device)","samples":[\#(samples.joined(separator: ","))]}"# + "\n"
        }.joined()
    }

    // MARK: What psql sees

    func expect(
        _ past: SealedPast, sealed: Int, late: SealedPast.Late = .unsent, isExpired: Bool = false, _ when: String = "at rest"
    ) throws {
        let days = try (0..<past.days).map { try place(past.beginning(ofDay: $0)) }
        #expect(days == (0..<past.days).map { $0 < sealed ? "sealed" : "raw" }, "\(when)")
        #expect(
            try lines(
                """
                SELECT device || ' ' || metric || ' ' || extract(epoch FROM time)::int8 || ' ' || (value * 4)::int8
                FROM timeseries.readings
                """) == past.lines(late: late, isExpired: isExpired), "\(when)")
        #expect(try count("timeseries.late_samples") == (late == .waiting ? past.late.count : 0), "\(when)")
        for (table, seconds) in [("rollup_hours", 3_600), ("rollup_days", 86_400)] {
            #expect(
                try lines(Self.states("timeseries.\(table)")) == past.rollups(seconds: seconds, sealed: sealed, late: late),
                "\(table) \(when)")
        }
        #expect(try lines(Self.minutes) == past.rollups(seconds: 60, sealed: sealed, late: late), "rollup_minutes \(when)")
        let (from, to) = (past.begin, past.beginning(ofDay: 2))
        let points = "timeseries.points('seal-1', 'level', to_timestamp(\(from)), to_timestamp(\(to)))"
        let expected = past.lines(late: late, isExpired: isExpired).count { line in
            let parts = line.split(separator: " ")
            return parts[0] == "seal-1" && parts[1] == "level" && (Int(parts[2]) ?? 0) < to
        }
        #expect(try count(points) == expected, "\(when)")
    }

    private static let names = "JOIN timeseries.series s ON s.id = r.series_id JOIN timeseries.devices d ON d.id = s.device_id"

    private static func states(_ table: String) -> String {
        """
        SELECT d.device || ' ' || s.metric || ' ' || extract(epoch FROM r.start)::int8 || ' ' || r.count || ' ' || (r.sum_double * 4)::int8
        FROM \(table) r \(names)
        """
    }

    private static let minutes = """
        SELECT d.device || ' ' || s.metric || ' ' || extract(epoch FROM c.time)::int8 || ' ' || c.value_int || ' '
            || (COALESCE(t.value_double, t.value_int::float8) * 4)::int8
        FROM timeseries.rollup_minutes r \(names)
        CROSS JOIN LATERAL timeseries.unseal(r.hour, r.count) c
        JOIN LATERAL timeseries.unseal(r.hour, r.sum) t ON t.time = c.time
        """

    /// Where a day's samples lie.
    private func place(_ day: Int) throws -> String {
        try ask(
            """
            SELECT concat_ws(' and ',
                CASE WHEN to_regclass('timeseries.samples_' || to_char(to_timestamp(\(day)) AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NOT NULL
                    THEN 'raw' END,
                CASE WHEN EXISTS (SELECT FROM timeseries.sealed WHERE hour >= to_timestamp(\(day)) AND hour < to_timestamp(\(day + 86_400)))
                    THEN 'sealed' END)
            """)
    }

    /// Days that have left the partitions.
    private func sealedDays() throws -> Int {
        Int(try ask("SELECT count(DISTINCT date_trunc('day', hour, 'UTC')) FROM timeseries.sealed")) ?? -1
    }

    private func lines(_ sql: String) throws -> [String] { try ask(sql).split(separator: "\n").map(String.init).sorted() }
    private func count(_ what: String) throws -> Int { Int(try ask("SELECT count(*) FROM \(what)")) ?? -1 }
    private func ask(_ sql: String) throws -> String { try postgres.psql(sql, database: database) }
}
