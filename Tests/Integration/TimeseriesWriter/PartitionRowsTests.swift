import Domain
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

@Suite("timeseries-writer: reading a partition")
struct PartitionRowsTests {
    /// All types, bursts of equal times longer than a page, several series: whatever the size of a page, the same rows in the same order as
    /// one statement gives.
    @Test(arguments: [1, 2, 3, 7, 64, 10_000]) func pagesOfAnySizeGiveEveryRowOnce(rowsAtOnce: Int) async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            var random = SeededRandom(seed: UInt64(rowsAtOnce))
            var source = RandomSeries(random: SeededRandom(seed: 7))
            var points: [Point] = []
            for series in 0..<5 {
                let offsets = (0..<40).map { _ in Int64.random(in: 0..<8, using: &random) * 1_000_000 }
                for (offset, value) in zip(offsets, source.values(40)) {
                    points.append(Point(metric: "m\(series)", offset: offset, value: value))
                }
            }
            try SinkFixture.write(fixture.sink(), [(points, nil)], base: nil, next: 1)
            let connection = try fixture.connect()
            try connection.execute("UPDATE timeseries.samples SET quality = series_id::int2 WHERE value_double > 0")
            let name = DaySealer.partition(ofDay: Point.start / SealFixture.day)
            let expected = try connection.query(
                """
                SELECT series_id, time, quality, coalesce(value_double::text, value_int::text, value_bool::text, value_text)
                FROM timeseries.\(name) ORDER BY series_id, time, ctid
                """
            ).map { row in "\(try row.get(0, as: Int32.self)) \(try row.microseconds(1)) \(try row.get(2, as: Int16.self))" }
            let values = try connection.query(
                "SELECT value_double, value_int, value_bool, value_text FROM timeseries.\(name) ORDER BY series_id, time, ctid"
            ).map { "\(try $0.value(at: 0))" }
            var found: [String] = []
            var foundValues: [String] = []
            try connection.execute("BEGIN; \(PartitionRows.planning)")
            var rows = PartitionRows(of: name, from: Point.start, rowsAtOnce: rowsAtOnce)
            while try rows.readPage(
                connection,
                { series in
                    let id = series.series
                    while try series.next({ time, quality, value in
                        found.append("\(id) \(time) \(quality.rawValue)")
                        foundValues.append("\(MetricValue(value))")
                    }) {}
                })
            {}
            #expect(found == expected)
            #expect(foundValues == values)
        }
    }
}
