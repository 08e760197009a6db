import Domain
import Foundation
import HTTPKit
import HTTPServer
import Logging
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

@Suite("timeseries-writer: queries")
struct QueryTests {
    private static let everything = [("from", "2020-01-01"), ("to", "2030-01-01")]

    @Test func latestAndSeriesShowWhatIsThere() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let points = [
                Point(metric: "level", unit: "m", offset: 2_000_000, value: .double(3.5)),
                Point(metric: "level", unit: "m", offset: 1_000_000, value: .double(9)), Point(metric: "on", offset: 0, value: .bool(true)),
                Point(metric: "state", offset: 0, value: .string("open")), Point(metric: "count", offset: 0, value: .int(1 << 60)),
            ]
            try SinkFixture.write(fixture.sink(), [(points, StreamSequence(stream: 5, first: 3))], base: nil, next: 1)
            let api = try QueryFixture(url)
            let latest = try await api.get("/v1/devices/d1/latest").body
            #expect(
                latest == """
                    {"device":"d1","latest":[\
                    {"metric":"count","unit":null,"time":"2026-11-21T00:00:00Z","value":1152921504606846976,"type":"int","quality":"good"},\
                    {"metric":"level","unit":"m","time":"2026-11-21T00:00:02Z","value":3.5,"type":"double","quality":"good"},\
                    {"metric":"on","unit":null,"time":"2026-11-21T00:00:00Z","value":true,"type":"bool","quality":"good"},\
                    {"metric":"state","unit":null,"time":"2026-11-21T00:00:00Z","value":"open","type":"string","quality":"good"}\
                    ],"next":null}

                    """)
            let first = try await api.json("/v1/devices/d1/series", [("limit", "3")]).json
            let cursor = try #require(first["next"] as? String)
            let second = try await api.json("/v1/devices/d1/series", [("limit", "3"), ("cursor", cursor)]).json
            let names = [first, second].flatMap { ($0["series"] as? [[String: Any]] ?? []).compactMap { $0["metric"] as? String } }
            #expect(names == ["count", "level", "on", "state"])
            #expect(second["next"] is NSNull)
            let ledger = try await api.get("/v1/ledger/d1").body
            #expect(
                ledger.contains(
                    #""stream":"5","received":1,"duplicates":0,"missing":0,"below_floor":0,"floor":0,"ranges":[[3,3]],"gaps":[]"#))
        }
    }

    @Test func gapsOfAStreamAreShown() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let records = [1, 2, 5, 5, 9].map { number in
                ([Point(offset: Int64(number), value: .int(1))], StreamSequence(stream: .max, first: UInt64(number)) as StreamSequence?)
            }
            try SinkFixture.write(fixture.sink(), records, base: nil, next: 5)
            let ledger = try await QueryFixture(url).get("/v1/ledger/d1").body
            #expect(ledger.contains(#""stream":"18446744073709551615","received":4,"duplicates":1,"missing":5"#))
            #expect(ledger.contains(#""ranges":[[1,2],[5,5],[9,9]],"gaps":[[3,4],[6,8]]"#))
        }
    }

    /// Many samples share a time, exact repeats included; pages of any size must give each once, in order, in every format.
    @Test(arguments: 0..<6) func pagesGiveEverySampleOnce(seed: Int) async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            var random = SeededRandom(seed: UInt64(seed))
            let sink = fixture.sink()
            var points: [Point] = []
            for batch in 0..<4 {
                let some = (0..<Int.random(in: 20...80, using: &random)).map { _ in
                    Point(
                        offset: Int64.random(in: 0..<12, using: &random) * 20_000_000_000,
                        value: .int(Int64.random(in: 0..<4, using: &random)))
                }
                try SinkFixture.write(sink, [(some, nil)], base: batch == 0 ? nil : Int64(batch), next: Int64(batch + 1))
                points += some
            }
            let api = try QueryFixture(url)
            let expected = points.map { "\($0.time.rfc3339) \(Self.number($0.value))" }.sorted()
            for format in ["json", "ndjson"] {
                let limit = Int.random(in: 1...30, using: &random)
                let read = try await Self.pages(api, format, limit)
                #expect(read.count == points.count, "\(format) pages of \(limit)")
                #expect(read.sorted() == expected)
                #expect(read.map { $0.prefix(20) } == read.map { $0.prefix(20) }.sorted(), "in order of time")
            }
        }
    }

    private static func pages(_ api: QueryFixture, _ format: String, _ limit: Int) async throws -> [String] {
        var read: [String] = []
        var cursor: String?
        for _ in 0..<1_000 {
            let query = everything + [("limit", "\(limit)"), ("format", format)] + (cursor.map { [("cursor", $0)] } ?? [])
            let (response, body) = try await api.get("/v1/devices/d1/series/t", query)
            #expect(response.status == 200, "\(body)")
            let rows: [[String: Any]]
            if format == "json" {
                let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] ?? [:]
                rows = object["samples"] as? [[String: Any]] ?? []
                cursor = object["next"] as? String
            } else {
                rows = try body.split(separator: "\n").map {
                    try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
                }
                cursor = response.headers["Martlet-Next-Cursor"]
            }
            #expect(rows.count <= limit)
            read += rows.map { "\($0["time"] ?? "") \($0["value"] ?? "")" }
            if cursor == nil { return read }
        }
        throw SupportError("the pages have no end")
    }

    private static func number(_ value: MetricValue) -> String { if case .int(let number) = value { "\(number)" } else { "\(value)" } }

    @Test func longWindowsAreStreamedInChunks() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let count = 2 * SampleStream.chunk + 17
            let points = (0..<count).map { Point(offset: Int64($0 / 3) * 1_000, value: .int(Int64($0))) }
            try SinkFixture.write(fixture.sink(), [(Array(points[..<3_000]), nil), (Array(points[3_000...]), nil)], base: nil, next: 2)
            let api = try QueryFixture(url)
            let csv = try await api.get("/v1/devices/d1/series/t", Self.everything + [("format", "csv")]).body
            let lines = csv.split(separator: "\r\n")
            #expect(lines.first == "time,value,type,quality")
            #expect(Set(lines.dropFirst().map { $0.split(separator: ",")[1] }).count == count)
            let all = try await api.json("/v1/devices/d1/series/t", Self.everything + [("agg", "count,sum,first,last")]).json
            let bucket = try #require((all["buckets"] as? [[String: Any]])?.first)
            #expect(bucket["count"] as? Int == count)
            #expect(bucket["sum"] as? Int == count * (count - 1) / 2)
        }
    }

    @Test func bucketsHoldTheAggregatesAskedFor() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let minute: Int64 = 60_000_000
            let points = [
                Point(offset: 0, value: .int(4)), Point(offset: minute - 1, value: .double(1.5)), Point(offset: 3 * minute, value: .int(7)),
                Point(offset: 5 * minute, value: .string("x")),
            ]
            try SinkFixture.write(fixture.sink(), [(points, nil)], base: nil, next: 1)
            let (response, body) = try await QueryFixture(url).get(
                "/v1/devices/d1/series/t",
                [("from", "-1h"), ("every", "1m"), ("agg", "min,max,avg,sum,count,first,last"), ("format", "csv")])
            #expect(response.status == 200)
            #expect(
                body.split(separator: "\r\n") == [
                    "time,min,max,avg,sum,count,first,last", "2026-11-21T00:00:00Z,1.5,4,2.75,5.5,2,4,1.5",
                    "2026-11-21T00:03:00Z,7,7,7,7,1,7,7", "2026-11-21T00:05:00Z,,,,,1,x,x",
                ])
        }
    }

    @Test func mistakesAreToldByStableCodes() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let points = ["C", "F", nil].map { Point(metric: "temp", unit: $0, offset: 0, value: .int(1)) }
            try SinkFixture.write(fixture.sink(), [(points, nil)], base: nil, next: 1)
            let api = try QueryFixture(url)
            let series = "/v1/devices/d1/series/temp"
            let cases: [(String, [(String, String)], Int, String)] = [
                ("/v1/devices/nobody/latest", [], 404, "device_unknown"), ("/v1/devices/nobody/series", [], 404, "device_unknown"),
                ("/v1/devices/nobody/series/temp", [], 404, "device_unknown"), ("/v1/ledger/nobody", [], 404, "device_unknown"),
                ("/v1/devices/a b/latest", [], 400, "invalid_parameter"), ("/v1/devices/d1/series/nothing", [], 404, "series_unknown"),
                (series, [], 422, "unit_ambiguous"), (series, [("unit", "K")], 404, "series_unknown"),
                (series, [("unit", "C"), ("from", "yesterday")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("from", "now"), ("to", "-1h")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("agg", "mean")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("zone", "Europe/Berlin")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("fill", "null")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("agg", "min,min")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("every", "1m")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("every", "0s"), ("agg", "min")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("every", "1s"), ("agg", "min"), ("from", "-30d")], 422, "window_too_large"),
                (series, [("unit", "C"), ("limit", "0")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("limit", "10"), ("agg", "min")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("cursor", "abc")], 400, "invalid_cursor"),
                (series, [("unit", "C"), ("format", "xml")], 400, "invalid_parameter"),
                (series, [("unit", "C"), ("form", "csv")], 400, "unknown_parameter"),
            ]
            for (path, query, status, code) in cases {
                let answer = try await api.json(path, query)
                #expect(answer.status == status, "\(path) \(query): \(answer.json)")
                #expect(answer.json["code"] as? String == code, "\(path) \(query)")
            }
            let tooLarge = try await api.json(series, [("unit", "C"), ("every", "1s"), ("agg", "min"), ("from", "-30d")]).json
            #expect((tooLarge["detail"] as? String)?.contains("use every=5m or more") ?? false, "\(tooLarge)")
            for unit in ["C", ""] {
                let answer = try await api.json(series, [("unit", unit), ("from", "-2h")])
                #expect(answer.status == 200 && (answer.json["samples"] as? [Any])?.count == 1)
            }
        }
    }

    @Test func aDatabaseThatIsAwayOrNotSetUpIsA503() async throws {
        try await withPostgresDatabase { url, _ in
            let empty = try await QueryFixture(url).json("/v1/devices/d1/latest")
            #expect(empty.status == 503 && empty.json["code"] as? String == "unavailable")
        }
        let away = try await QueryFixture("postgresql://postgres@127.0.0.1:\(try freePort())/none").json("/v1/devices/d1/latest")
        #expect(away.status == 503 && away.json["code"] as? String == "unavailable")
    }
}
