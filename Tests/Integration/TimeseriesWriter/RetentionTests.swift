import Domain
import HTTPServer
import Metrics
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

@Suite("timeseries-writer: retention")
struct RetentionTests {
    private static let day = SealFixture.day

    /// Samples of ten days, one a minute for two hours a day.
    private static func fill(_ fixture: SealFixture, _ metric: String, base: Int64?) throws {
        let points = (1...10).flatMap { day in
            (0..<120).map { Point(metric: metric, offset: -Int64(day) * Self.day + Int64($0) * 60_000_000, value: .int(Int64($0))) }
        }
        try SinkFixture.write(fixture.sink.sink(), [(points, nil)], base: base, next: (base ?? 0) + 1)
    }

    @Test func eachTierGoesByItsRuleAndRawNeverBeforeItIsSealed() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SealFixture(url)
            for (index, metric) in ["temperature", "temperature/in", "level"].enumerated() {
                try Self.fill(fixture, metric, base: index == 0 ? nil : Int64(index))
            }
            let rules = ["temperature raw=5d", "temp* raw=2d 1m=3d 1h=4d 1d=6d"]
            // Not sealed: nothing goes, whatever the rules say.
            try fixture.seal(now: -10 * Self.day, keeping: ["* raw=1d 1m=1d 1h=1d 1d=1d"])
            #expect(try fixture.count("timeseries.samples") == 3 * 1_200)
            try fixture.seal(now: 0, keeping: rules)
            func rows(_ table: String, _ series: Int) throws -> Int { try fixture.count("timeseries.\(table) WHERE series_id = \(series)") }
            let left = try ["sealed", "rollup_minutes", "rollup_hours", "rollup_days"].map { table in
                try (1...3).map { try rows(table, $0) }
            }
            #expect(left == [[10, 4, 20], [20, 6, 20], [20, 8, 20], [10, 6, 10]], "two hours a day, or one day")
            #expect(RetentionTier.allCases.map { fixture.metrics.dropped($0).value } == [600 + 960, 14, 12, 4])
            #expect(try await fixture.samples(3).count == 1_200)
            #expect(try await fixture.samples(2).count == 240)
        }
    }

    @Test func lateSamplesOfWhatHasGoneCountInTheStatesThatStand() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SealFixture(url)
            try Self.fill(fixture, "t", base: nil)
            let rules = ["* raw=1d 1m=3d 1h=5d"]
            try fixture.seal(now: 0, keeping: rules)
            let before = try await fixture.rollups([1], .day)
            let hours = try await fixture.rollups([1], .hour)
            let late = [2, 4, 7].map { Point(metric: "t", offset: -$0 * Self.day + 30_000_000, value: .int(1_000)) }
            try SinkFixture.write(fixture.sink.sink(), [(late, nil)], base: 1, next: 2)
            try fixture.seal(now: 0, keeping: rules)
            let after = try await fixture.rollups([1], .day)
            #expect(after.count == 10)
            for (key, state) in after {
                let isTouched = late.contains { RollupTier.day.start(of: $0.time.microseconds) == key.start.microseconds }
                let old = try #require(before[key])
                #expect(state.count == old.count + (isTouched ? 1 : 0))
                #expect(state.sum == .int((old.sum?.int ?? 0) + (isTouched ? 1_000 : 0)))
                #expect(state.first == old.first && state.last == old.last)
                #expect(state.greatest == (isTouched ? .int(1_000) : old.greatest))
            }
            let touched = SealFixture.RollupKey(series: 1, start: Timestamp(microseconds: Point.start - 4 * Self.day))
            #expect(try await fixture.rollups([1], .hour)[touched]?.count == (hours[touched]?.count ?? 0) + 1)
            let minute = SealFixture.RollupKey(series: 1, start: Timestamp(microseconds: Point.start - 2 * Self.day))
            #expect(try await fixture.rollups([1], .minute)[minute]?.count == 2)
        }
    }

    /// Answers made from what is gone in part say so, and from when on they are whole; all others say that they are.
    @Test func answersSayWhatRetentionHasDropped() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SealFixture(url)
            try Self.fill(fixture, "drop", base: nil)
            try Self.fill(fixture, "keep", base: 1)
            let api = try QueryFixture(url)
            func ask(_ metric: String, _ query: [(String, String)]) async throws -> (isComplete: Bool?, before: String?) {
                let (status, json) = try await api.json("/v1/devices/d1/series/\(metric)", query)
                #expect(status == 200 && (json["incomplete_reason"] != nil) == (json["complete"] as? Bool == false), "\(json)")
                return (json["complete"] as? Bool, json["incomplete_before"] as? String)
            }
            let (all, median) = (("from", "2026-11-10"), [("agg", "median"), ("every", "1d")])
            #expect(try await ask("drop", [all] + median) == (true, nil), "nothing has gone yet")
            try fixture.seal(now: 0, keeping: ["drop raw=2d 1m=3d 1h=4d"])
            #expect(try await ask("drop", [all] + median) == (false, "2026-11-19T00:00:00Z"))
            #expect(try await ask("drop", [all]) == (false, "2026-11-19T00:00:00Z"), "samples")
            #expect(try await ask("drop", [all, ("gaps", "2h")]) == (false, "2026-11-19T00:00:00Z"))
            #expect(try await ask("drop", [all, ("agg", "avg"), ("every", "1h")]) == (false, "2026-11-17T00:00:00Z"))
            #expect(try await ask("drop", [("from", "2026-11-15"), ("agg", "avg"), ("every", "1m")]) == (false, "2026-11-18T00:00:00Z"))
            #expect(try await ask("drop", [all, ("agg", "avg"), ("every", "1d")]) == (true, nil), "days are all there")
            let edge = [("from", "2026-11-12T00:30:00Z"), ("agg", "avg"), ("every", "1d")]
            #expect(try await ask("drop", edge) == (false, "2026-11-13T00:00:00Z"), "the window begins within a day")
            #expect(try await ask("drop", [("from", "2026-11-19")] + median) == (true, nil), "what is younger is whole")
            #expect(try await ask("keep", [all] + median) == (true, nil))
            let both = #"{"devices":"d1","metrics":["drop","keep"],"from":"2026-11-10","agg":"median","every":"1d""#
            let (_, json) = try await api.post(both + "}")
            #expect(json["complete"] as? Bool == false && json["incomplete_before"] as? String == "2026-11-19T00:00:00Z")
            let (csv, _) = try await api.postText(both + #","format":"csv"}"#)
            #expect(csv.headers["Martlet-Incomplete-Before"] == "2026-11-19T00:00:00Z")
            let (whole, _) = try await api.get("/v1/devices/d1/series/keep", [all, ("format", "csv")])
            #expect(whole.headers["Martlet-Incomplete-Before"] == nil)
        }
    }
}
