import Domain
import Foundation
import HTTPServer
import PostgresClient
import TestSupport
import Testing

@testable import TimeseriesWriter

/// The same samples in two databases, one of which seals its days: every question has to get the same answer from both.
@Suite("timeseries-writer: queries over sealed days")
struct TierQueryTests {
    private static let names = ["min", "max", "avg", "sum", "count", "first", "last", "stddev", "delta"]
    private static let pointNames = ["increase", "rate", "twa", "median", "p90"]

    private static func points(_ random: inout SeededRandom, _ device: Int) -> [Point] {
        var series = RandomSeries(random: SeededRandom(seed: random.next()))
        let times = series.times(Int.random(in: 1...400, using: &random))
        let values = series.values(times.count)
        return zip(times, values).map { Point(device: "d\(device)", metric: "t", offset: $0, value: $1) }
    }

    private static func write(_ url: String, _ points: [[Point]], base: Int64, sealing: SealFixture?) throws {
        let sink = try SinkFixture(url).sink()
        for (index, some) in points.enumerated() where !some.isEmpty {
            let next = base + Int64(index) + 1
            try SinkFixture.write(sink, [(some, nil)], base: next == 1 ? nil : next - 1, next: next)
        }
    }

    @Test(arguments: 0..<6) func anyTierGivesTheIdenticalAnswer(seed: Int) async throws {
        try await withPostgresDatabase { sealedURL, server in
            let plainURL = try server.makeDatabase()
            var random = SeededRandom(seed: UInt64(seed))
            let sealing = try SealFixture(sealedURL)
            _ = try SinkFixture(plainURL)
            let early = (0..<5).map { Self.points(&random, $0) }
            for url in [sealedURL, plainURL] { try Self.write(url, early, base: 0, sealing: nil) }
            try sealing.seal(now: [-SealFixture.day, 0, -2 * SealFixture.day][seed % 3])
            // What comes now is late for the days that are sealed.
            let late = (0..<5).map { device in Self.points(&random, device).filter { _ in Int.random(in: 0..<20, using: &random) == 0 } }
            let count = Int64(early.count)
            for url in [sealedURL, plainURL] {
                let sink = try SinkFixture(url).sink()
                for (index, some) in late.enumerated() where !some.isEmpty {
                    let base = try SinkFixture.stored(sink) ?? count
                    try SinkFixture.write(sink, [(some, nil)], base: base, next: base + 1 + Int64(index))
                }
            }
            let (tiers, plain) = (try QueryFixture(sealedURL), try QueryFixture(plainURL))
            var seen: Set<String> = []
            for _ in 0..<25 {
                let query = Self.query(&random)
                let (answer, expected) = (try await tiers.postText(query), try await plain.postText(query))
                #expect(answer.body == expected.body, "\(query)")
                #expect(expected.response.headers["Martlet-Tier"] == "points")
                if let tier = answer.response.headers["Martlet-Tier"] { seen.insert(tier) }
            }
            #expect(seen.count > 1, "only \(seen)")
        }
    }

    private static func query(_ random: inout SeededRandom) -> String {
        let begin = Point.start - 3 * SealFixture.day
        func moment() -> Int64 {
            let steps: [Int64] = [1, 60_000_000, SealFixture.hour, SealFixture.day]
            let step = steps.randomElement(using: &random) ?? 1
            return begin + Int64.random(in: 0...(3 * SealFixture.day) / step, using: &random) * step
        }
        let (one, other) = (moment(), moment())
        let (from, to) = (min(one, other), max(one, other) + 60_000_000)
        let widths = ["", "1m", "5m", "1h", "6h", "1d", "day"]
        let every = widths.randomElement(using: &random) ?? ""
        let onlyStates = Int.random(in: 0..<4, using: &random) > 0
        let list = (onlyStates ? names : names + pointNames).filter { _ in Bool.random(using: &random) }
        var body: [String: Any] = [
            "devices": "d*", "metrics": "t", "from": from, "to": to, "agg": list.isEmpty ? ["count"] : list, "format": "csv",
        ]
        if !every.isEmpty { body["every"] = every }
        if every == "day" { body["zone"] = ["UTC", "Europe/Berlin", "Asia/Kolkata"].randomElement(using: &random) }
        let bytes = (try? JSONSerialization.data(withJSONObject: body, options: .sortedKeys)) ?? Data()
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Samples of many sealed series come in pages, too: each once, in order, with what came late.
    @Test(arguments: 0..<3) func pagesOfSealedSeriesAreThoseOfEachSeries(seed: Int) async throws {
        try await withPostgresDatabase { url, _ in
            var random = SeededRandom(seed: UInt64(100 + seed))
            let sealing = try SealFixture(url)
            let early = (0..<6).map { Self.points(&random, $0) }
            try Self.write(url, early, base: 0, sealing: nil)
            try sealing.seal(now: SealFixture.day)
            let late = (0..<6).map { device in Self.points(&random, device).prefix(15).map { $0 } }
            try Self.write(url, late, base: 6, sealing: nil)
            let fixture = try QueryFixture(url)
            let found = try await fixture.reader.find(
                SeriesFilter(devices: [NamePattern("*")], metrics: [NamePattern("t")], unit: nil), limit: 100)
            let ids = found.series.map(\.id)
            let (from, to) = (Point.start - 3 * SealFixture.day + 77, Point.start - 1_000_000)
            let extent = try await fixture.reader.extent(of: ids, from: from, to: to, withStates: false)
            #expect(extent.sealedBefore >= to)
            let query = PointQuery(series: ids, from: from, to: to, extent: extent)
            for limit in [20, 333, 5_000] {
                var (place, rows): (SeriesPlace?, [PointRow]) = (SeriesPlace(series: 0, time: from), [])
                while let here = place {
                    let page = try await query.page(fixture.reader, at: here, limit: limit)
                    rows += page.rows
                    place = page.next
                }
                for (index, id) in ids.enumerated() {
                    let expected = try await fixture.reader.samples(
                        of: id, from: Timestamp(microseconds: from), to: Timestamp(microseconds: to), after: nil, limit: 10_000)
                    let read = rows.filter { $0.series == index }
                    #expect(read.map(\.time) == expected.map(\.key.time.microseconds), "pages of \(limit)")
                    #expect(read.map { "\($0.value) \($0.quality)" } == expected.map { "\($0.value) \($0.quality.rawValue)" })
                }
                #expect(rows.map(\.series) == rows.map(\.series).sorted())
            }
        }
    }

    @Test func anAnswerSaysWhatItWasMadeFrom() async throws {
        try await withPostgresDatabase { url, _ in
            let sealing = try SealFixture(url)
            let start = -2 * SealFixture.day
            let points = (0..<5_760).map { Point(offset: start + Int64($0) * 30_000_000, value: .int(Int64($0))) }
            try SinkFixture.write(try SinkFixture(url).sink(), [(points, nil)], base: nil, next: 1)
            try sealing.seal(now: -SealFixture.day)
            let answer = try await QueryFixture(url).get(
                "/v1/devices/d1/series/t", [("from", "2026-11-18T23:58:00Z"), ("to", "2026-11-20T12:00:00Z"), ("agg", "sum,count")])
            #expect(answer.response.headers["Martlet-Tier"] == "day")
            #expect(answer.body.contains(#""tier":"day""#))
            #expect(
                answer.body.hasSuffix("\"count\":4320}],\"read\":{\"minutes\":0,\"hours\":0,\"days\":1,\"points\":1440}}\n"),
                "\(answer.body)")
        }
    }
}
