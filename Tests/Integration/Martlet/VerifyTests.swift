import Domain
import Foundation
import PostgresClient
import TestSupport
import Testing

@testable import MartletTool

/// The verifier against rows in a real PostgreSQL, with faults put in by hand.
@Suite("martlet verify", .blockingThreads, .timeLimit(.minutes(2)))
struct VerifyTests {
    /// A ledger of a finished run and the rows that it must have left.
    private struct Run {
        let ledger: String
        let plan: FleetPlan
        private(set) var rows: [[PostgresValue]] = []

        init(folder: URL, prefix: String = "sim-") throws {
            ledger = folder.appendingPathComponent("\(prefix).ledger").path
            plan = FleetPlan(
                seed: 3, prefix: prefix, devices: 8, shape: .mixed, stream: 9, step: 100_000, topic: "v1/d/{device}/telemetry", qos: 1)
            var timeline = Timeline(plan: plan)
            timeline.anchor(firstMessage: 0, base: 1_767_225_600_000_000)
            let writer = try LedgerWriter(path: ledger, plan: plan, overwrite: false, now: .now)
            writer.append(.anchor(firstMessage: 0, base: 1_767_225_600_000_000))
            for message in 0..<20 as Range<UInt32> {
                writer.append(.sent(device: 0, message: message, count: 8))
                writer.append(.acknowledged(device: 0, message: message, count: 8))
                for device in 0..<8 { rows += Self.rows(plan, timeline, device, message) }
            }
            writer.append(.finished)
            try writer.flush()
        }

        private static func rows(_ plan: FleetPlan, _ timeline: Timeline, _ device: Int, _ message: UInt32) -> [[PostgresValue]] {
            (0..<plan.readingsPerMessage(device)).flatMap { reading in
                plan.metrics(device).map { metric in
                    let sequence = plan.sequence(device, message: message, reading: reading)
                    let head: [PostgresValue] = [
                        .text(plan.deviceName(device)), .text(metric.name), metric.unit.map { .text($0) } ?? .null,
                        .timestamp(microseconds: timeline.time(device, message, reading: reading)),
                    ]
                    return head + columns(metric.value(seed: plan.seed, device: device, sequence: sequence))
                }
            }
        }

        private static func columns(_ value: MetricValue) -> [PostgresValue] {
            switch value {
            case .double(let value): [.double(value), .null, .null, .null]
            case .int(let value): [.null, .int64(value), .null, .null]
            case .bool(let value): [.null, .null, .bool(value), .null]
            case .string(let value): [.null, .null, .null, .text(value)]
            }
        }
    }

    /// The view as the writer makes it, over a plain table.
    private static let schema = """
        CREATE SCHEMA timeseries;
        CREATE TABLE timeseries.plain (
            device text, metric text, unit text, time timestamptz, value_double float8, value_int int8, value_bool bool, value_text text);
        CREATE VIEW timeseries.readings AS SELECT * FROM timeseries.plain;
        """

    private func store(_ rows: [[PostgresValue]], _ connection: PostgresConnection) throws {
        let types: [PostgresType] = [.text, .text, .text, .timestamptz, .float8, .int8, .bool, .text]
        let list = types.indices.map { "$\($0 + 1)" }.joined(separator: ",")
        for row in rows { try connection.query("INSERT INTO timeseries.plain VALUES (\(list))", row) }
    }

    private func check(_ ledger: String, _ url: String, wait: Int64 = 0) throws -> VerificationReport {
        let reader = try LedgerReader(path: ledger)
        return try LedgerCheck(reader: reader, rows: StoredRows(url: url, plan: reader.plan), kafka: nil)
            .run(patience: wait, quiet: 60_000_000)
    }

    @Test("clean rows, strangers' rows aside, and then each fault")
    func faults() async throws {
        try await withPostgresDatabase { url, _ async throws in
            try await withTemporaryFolder { folder async throws in
                let connection = try PostgresConnection(url, PostgresOptions(applicationName: "test"))
                try connection.execute(Self.schema)
                let run = try Run(folder: folder)
                try store(run.rows + Run(folder: folder, prefix: "sim-9").rows, connection)
                var report = try check(run.ledger, url, wait: 60_000_000)
                #expect(report.isClean)
                #expect(report.stored == run.rows.count)
                #expect(report.acknowledged == run.rows.count)

                try connection.execute(
                    """
                    DELETE FROM timeseries.plain WHERE ctid = (
                        SELECT ctid FROM timeseries.plain WHERE device = 'sim-00002' AND metric = 'state' ORDER BY time LIMIT 1);
                    INSERT INTO timeseries.plain SELECT * FROM timeseries.plain WHERE device = 'sim-00003' ORDER BY time LIMIT 1;
                    INSERT INTO timeseries.plain SELECT device, metric, unit, time + interval '1 us', value_double
                        FROM timeseries.plain WHERE device = 'sim-00004' ORDER BY time LIMIT 1;
                    UPDATE timeseries.plain SET value_bool = NOT value_bool WHERE ctid = (
                        SELECT ctid FROM timeseries.plain WHERE device = 'sim-00006' AND metric = 'occupied' ORDER BY time LIMIT 1);
                    """)
                report = try check(run.ledger, url)
                #expect(report.lost == 1)
                #expect(report.duplicated == 1)
                #expect(report.invented == 1)
                #expect(report.wrong == 1)
                #expect(report.examples[.lost]?.first?.device == "sim-00002")
                #expect(report.examples[.invented]?.first?.device == "sim-00004")
            }
        }
    }

    @Test("waits for rows that come late")
    func late() async throws {
        try await withPostgresDatabase { url, _ async throws in
            try await withTemporaryFolder { folder async throws in
                let connection = try PostgresConnection(url, PostgresOptions(applicationName: "test"))
                try connection.execute(Self.schema)
                let run = try Run(folder: folder)
                let ledger = run.ledger
                let half = run.rows.count / 2
                try store(Array(run.rows[..<half]), connection)
                async let report = check(ledger, url, wait: 60_000_000)
                try store(Array(run.rows[half...]), connection)
                #expect(try await report.isClean)
            }
        }
    }

    @Test("a database that the writer has never seen is named")
    func noView() async throws {
        try await withPostgresDatabase { url, _ async throws in
            try await withTemporaryFolder { folder async throws in
                let run = try Run(folder: folder)
                do {
                    _ = try check(run.ledger, url)
                    Issue.record("it found rows")
                } catch let error as ToolError {
                    #expect(error.code == .unavailable)
                    #expect(error.description.contains("timeseries-writer"))
                }
            }
        }
    }
}
