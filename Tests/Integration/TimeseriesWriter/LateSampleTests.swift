import Domain
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

@Suite("timeseries-writer: late samples")
struct LateSampleTests {
    private typealias Record = (points: [Point], sequence: StreamSequence?)
    private static let day: Int64 = 86_400_000_000

    private static func raise(_ connection: PostgresConnection, to time: Int64) throws {
        try connection.query(
            "UPDATE timeseries.seal_state SET horizon = $1", [.timestamp(microseconds: time)])
    }

    private static func count(_ connection: PostgresConnection, _ table: String) throws -> Int {
        try connection.query("SELECT count(*) FROM timeseries.\(table)")[0].get(0)
    }

    @Test func rowsOlderThanTheHorizonGoAsideAndAreReadWithTheRest() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let connection = try fixture.connect()
            try Self.raise(connection, to: Point.start)
            let points = [-Self.day, -1, -1, 0, 1].enumerated().map { Point(offset: $1, value: .int(Int64($0))) }
            let plan = try SinkFixture.write(fixture.sink(), [(points, nil)], base: nil, next: 1)
            #expect(plan == BatchPlan(recordsWritten: 1, rowsWritten: 5, rowsLate: 3))
            #expect(try Self.count(connection, "samples") == 2)
            #expect(try Self.count(connection, "late_samples") == 3)
            #expect(try fixture.rows() == points.map(SinkFixture.text).sorted())
            let partitions = try connection.query("SELECT 1 FROM pg_inherits WHERE inhparent = 'timeseries.samples'::regclass")
            #expect(partitions.count == 1, "no partition is made for what is late")
            let reader = SampleReader(pool: PostgresPool(.init(url: url, options: PostgresOptions(applicationName: "query"))))
            let read = try await reader.samples(of: 1, from: .earliest, to: .latest, after: nil, limit: 10)
            #expect(read.map(\.value) == (0..<5).map { .int($0) })
            #expect(read.map(\.key.ordinal) == [0, 0, 1, 0, 0])
            for index in read.indices {
                let rest = try await reader.samples(of: 1, from: .earliest, to: .latest, after: read[index].key, limit: 10)
                #expect(rest == Array(read[(index + 1)...]))
            }
            let forged = SampleKey(time: Point(offset: -1, value: .int(0)).time, ordinal: .max)
            #expect(try await reader.samples(of: 1, from: .earliest, to: .latest, after: forged, limit: 10) == Array(read[3...]))
        }
    }

    @Test func theHorizonWaitsForWritersAndWritersSeeItOnceItHasRisen() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let connection = try fixture.connect()
            try connection.execute("SET lock_timeout = '50ms'")
            var refused: SQLState?
            let sink = fixture.sink { step in
                guard step == .copy else { return }
                do {
                    try SealState.raise(to: Point.start + Self.day, on: connection)
                } catch let error as PostgresError {
                    refused = error.state
                }
            }
            try SinkFixture.write(sink, [([Point(offset: 1, value: .int(1))], nil)], base: nil, next: 1)
            #expect(refused == .lockNotAvailable, "a writer that is not done holds the horizon")
            try SealState.raise(to: Point.start + Self.day, on: connection)
            try SealState.raise(to: Point.start, on: connection)
            let plan = try SinkFixture.write(
                fixture.sink(), [([Point(offset: 2, value: .int(1)), Point(offset: Self.day, value: .int(2))], nil)], base: 1, next: 2)
            #expect(plan.rowsLate == 1, "the horizon never falls")
            #expect(try fixture.rows().count == 3)
        }
    }

    @Test func aDatabaseOfTheFirstReleaseKeepsItsData() async throws {
        try await withPostgresDatabase { url, server in
            let connection = try PostgresConnection(url, PostgresOptions(applicationName: "test"))
            try Migrator(schema: "timeseries", migrations: [Schema.migrator.migrations[0]]).migrate(connection)
            try connection.execute(
                """
                SELECT timeseries.ensure_partition('2026-11-21');
                SELECT timeseries.resolve_series('{d1}', '{t}', '{C}');
                INSERT INTO timeseries.samples (time, value_double, series_id, quality)
                    VALUES ('2026-11-21 00:00:01+00', 1.5, 1, 0), ('2026-11-21 00:00:02+00', 2.5, 1, 0);
                INSERT INTO timeseries.latest (series_id, time, quality, value_double) VALUES (1, '2026-11-21 00:00:02+00', 0, 2.5);
                """)
            let fixture = try SinkFixture(url)
            #expect(try fixture.rows() == ["d1/t/C 1000000 1.5", "d1/t/C 2000000 2.5"])
            let latest = try connection.query("SELECT time, value, unit FROM timeseries.latest_readings")
            #expect(latest.count == 1)
            #expect(try latest[0].microseconds(0) == Point.start + 2_000_000)
            #expect(try latest[0].get(1, as: Double.self) == 2.5)
            #expect(try Schema.migrator.migrate(connection).isEmpty)
        }
    }
}
