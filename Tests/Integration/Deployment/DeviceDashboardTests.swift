import Domain
import Foundation
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

/// The SQL of Grafana's device view, asked as Grafana would: by the role of `deploy/postgres/reader.sh`, of rows that the writer wrote.
@Suite("Grafana: the device view")
struct DeviceDashboardTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func dashboard() throws -> GrafanaDashboard {
        try GrafanaDashboard(
            String(contentsOf: root.appendingPathComponent("deploy/grafana/dashboards/device.json"), encoding: .utf8))
    }

    /// Numbers, texts and flags of one device; a name with an apostrophe, to see that it is quoted. Another device that must not be seen.
    private static func fill(_ url: String) throws {
        let fixture = try SinkFixture(url)
        let minute: Int64 = 60_000_000
        let points = (0..<60).flatMap { index -> [Point] in
            let offset = Int64(index) * minute
            return [
                Point(device: "d:1", metric: "it's", unit: "C", offset: offset, value: .double(Double(index) / 4)),
                Point(device: "d:1", metric: "count", offset: offset, value: .int(Int64(index))),
                Point(device: "d:1", metric: "on", offset: offset, value: .bool(index % 2 == 0)),
                Point(device: "d:1", metric: "mode", offset: offset, value: .string(index < 30 ? "eco" : "full")),
            ]
        }
        let other = [Point(device: "d2", metric: "count", offset: 0, value: .int(1_000))]
        try SinkFixture.write(
            fixture.sink(), [(points, StreamSequence(stream: 7, first: 0, scope: .batch)), (other, nil)], base: nil, next: 2)
        _ = try fixture.connect().query(
            "UPDATE timeseries.samples SET quality = 4 WHERE value_int IN (5, 6)")
        // Roll-ups are of days that are sealed.
        let connection = try fixture.connect()
        try SealState.raise(to: Point.start + DaySealer.dayWidth, on: connection)
        let sealed = try DaySealer(connection: connection, watch: SealWatch()).seal(
            day: Point.start / DaySealer.dayWidth, sealedBefore: .min)
        #expect(sealed.points == points.count + other.count)
    }

    private static func makeReader(_ server: PostgresServer, database: String, folder: URL) async throws {
        let script = try ChildProcess(
            "reader", "/bin/bash", [root.appendingPathComponent("deploy/postgres/reader.sh").path],
            environment: [
                "PGHOST": "127.0.0.1", "PGPORT": "\(server.port)", "POSTGRES_USER": "postgres", "POSTGRES_DB": database,
                "READER_PASSWORD": "it's \"secret\"",
            ], folder: folder)
        try await eventually("reader.sh ends") { !script.isRunning }
        let code = try await script.stop()
        guard code == 0 else { throw SupportError("reader.sh: \(code) \(script.output())") }
    }

    @Test("every panel and every variable answers with the device's own data")
    func panels() async throws {
        try await withPostgres { server async throws in
            let url = try server.makeDatabase()
            let database = try #require(url.split(separator: "/").last.map(String.init))
            try Self.fill(url)
            try await Self.makeReader(server, database: database, folder: server.folder)
            let reader = try PostgresConnection(
                "postgresql://martlet_reader@127.0.0.1:\(server.port)/\(database)", PostgresOptions(applicationName: "grafana"))
            let dashboard = try Self.dashboard()
            let metrics = ["it's", "count", "on", "mode"]
            /// The panel's question within another one that makes texts of its answer.
            func ask(_ sql: String, _ columns: [String], grouped: String = "") throws -> [[String]] {
                let from = Timestamp(microseconds: Point.start).rfc3339
                let to = Timestamp(microseconds: Point.start + 3_600_000_000).rfc3339
                let text = GrafanaDashboard.expanded(
                    sql, from: from, to: to, interval: 300, variables: ["device": ["d:1"], "metric": metrics])
                let rows = try reader.query("SELECT \(columns.joined(separator: ", ")) FROM (\(text)) AS panel \(grouped)")
                return try rows.map { row in try columns.indices.map { try row.get($0, as: String.self) } }
            }
            for panel in dashboard.panels {
                for target in panel.targets ?? [] {
                    let sql = try #require(target.rawSql, "\(panel.title)")
                    guard target.format == "time_series" else {
                        let rows = try ask(sql, ["panel::text"])
                        #expect(!rows.isEmpty && rows.allSatisfy { !$0[0].contains("d2") }, "\(panel.title): \(rows)")
                        continue
                    }
                    let series = try ask(sql, ["metric", "count(time)::text", "count(value)::text"], grouped: "GROUP BY metric")
                    #expect(!series.isEmpty, "\(panel.title) \(target.refId)")
                    for row in series {
                        #expect(metrics.contains { row[0].hasPrefix($0) }, "\(panel.title): \(row)")
                        #expect(row[1] == row[2] && row[1] != "0", "\(panel.title): \(row)")
                    }
                }
            }
            let found = try dashboard.templating.list.map { try ask($0.query, ["panel.*"]).map { $0[0] } }
            #expect(found.map { $0.sorted() } == [["d2", "d:1"], metrics.sorted()])
        }
    }

    @Test("the reader cannot write, nor ask for ever")
    func readsOnly() async throws {
        try await withPostgres { server async throws in
            let url = try server.makeDatabase()
            let database = try #require(url.split(separator: "/").last.map(String.init))
            try Self.fill(url)
            try await Self.makeReader(server, database: database, folder: server.folder)
            let reader = "postgresql://martlet_reader@127.0.0.1:\(server.port)/\(database)"
            let connection = try PostgresConnection(reader, PostgresOptions(applicationName: "grafana", statementTimeout: .zero))
            for sql in [
                "DELETE FROM timeseries.samples", "UPDATE timeseries.devices SET device = 'x'", "CREATE TABLE timeseries.x ()",
                "SET default_transaction_read_only = off; DELETE FROM timeseries.samples",
            ] {
                #expect(throws: PostgresError.self) { try connection.execute(sql) }
            }
            #expect(
                try server.psql("SELECT rolconfig::text FROM pg_roles WHERE rolname = 'martlet_reader'").contains("statement_timeout=15s"))
        }
    }
}
