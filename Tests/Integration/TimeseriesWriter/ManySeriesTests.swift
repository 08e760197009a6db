import Domain
import Foundation
import HTTPKit
import HTTPServer
import PostgresClient
import TestSupport
import Testing

@testable import TimeseriesWriter

@Suite("timeseries-writer: POST /v1/query")
struct ManySeriesTests {
    private static let minute: Int64 = 60_000_000

    /// Three pumps with a level, one with a flow of another unit.
    private static func fill(_ url: String) throws {
        let sink = try SinkFixture(url).sink()
        var base: Int64?
        for (index, device) in ["pump-1", "pump-2", "pump_3"].enumerated() {
            var points = (0..<10).map { number in
                Point(
                    device: device, metric: "level", unit: "m", offset: Int64(number) * minute,
                    value: .double(Double(index * 100 + number)))
            }
            if index == 1 { points += [Point(device: device, metric: "flow*rate", unit: "l/s", offset: 5, value: .int(7))] }
            try SinkFixture.write(sink, [(points, nil)], base: base, next: Int64(index + 1))
            base = Int64(index + 1)
        }
    }

    private static let whole = #""from":"2026-11-21T00:00:00Z","to":"2026-11-21T00:10:00Z""#

    @Test func listsAndPatternsFindTheirSeries() async throws {
        try await withPostgresDatabase { url, _ in
            try Self.fill(url)
            let api = try QueryFixture(url)
            let cases: [(String, [String])] = [
                (#""devices":"pump-*","metrics":"level""#, ["pump-1 level", "pump-2 level"]),
                (#""devices":["pump_3","pump-1","nobody"],"metrics":["level"]"#, ["pump-1 level", "pump_3 level"]),
                (#""devices":"*","metrics":"*""#, ["pump-1 level", "pump-2 flow*rate", "pump-2 level", "pump_3 level"]),
                (#""devices":"*","metrics":"flow\\*rate""#, ["pump-2 flow*rate"]),
                (#""devices":"pump_*","metrics":"l*l""#, ["pump_3 level"]),
                (#""devices":"*","metrics":"*","unit":"l/s""#, ["pump-2 flow*rate"]),
            ]
            for (members, expected) in cases {
                let (status, answer) = try await api.post("{\(members),\(Self.whole),\"agg\":\"count\"}")
                #expect(status == 200, "\(answer)")
                let series = answer["series"] as? [[String: Any]] ?? []
                #expect(series.map { "\($0["device"] ?? "") \($0["metric"] ?? "")" } == expected, "\(members)")
                #expect(answer["missing"] as? Int == (members.contains("nobody") ? 1 : 0))
            }
        }
    }

    @Test func anAnswerSaysWhatWasAskedAndWhereItCameFrom() async throws {
        try await withPostgresDatabase { url, _ in
            try Self.fill(url)
            let query = #"{"devices":"pump-*","metrics":"level","# + Self.whole + #","every":"5m","agg":["min","p50","twa"]}"#
            let body = try await QueryFixture(url).postText(query).body
            #expect(
                body == """
                    {"from":"2026-11-21T00:00:00Z","to":"2026-11-21T00:10:00Z","every":"5m","tier":"points",\
                    "complete":true,"missing":0,"series":[\
                    {"device":"pump-1","metric":"level","unit":"m","buckets":[\
                    {"time":"2026-11-21T00:00:00Z","min":0,"p50":2,"twa":2,"quantile_error":0},\
                    {"time":"2026-11-21T00:05:00Z","min":5,"p50":7,"twa":7,"quantile_error":0}]},\
                    {"device":"pump-2","metric":"level","unit":"m","buckets":[\
                    {"time":"2026-11-21T00:00:00Z","min":100,"p50":102,"twa":102,"quantile_error":0},\
                    {"time":"2026-11-21T00:05:00Z","min":105,"p50":107,"twa":107,"quantile_error":0}]}\
                    ],"read":{"minutes":0,"hours":0,"days":0,"points":20}}

                    """)
        }
    }

    @Test func rowsAreStreamedAsLinesToo() async throws {
        try await withPostgresDatabase { url, _ in
            try Self.fill(url)
            let api = try QueryFixture(url)
            let common = #"{"devices":"*","metrics":"*","# + Self.whole + ","
            let csv = try await api.postText(common + #""every":"1h","agg":"count,max","format":"csv"}"#).body
            #expect(
                csv.split(separator: "\r\n") == [
                    "device,metric,unit,time,count,max", "pump-1,level,m,2026-11-21T00:00:00Z,10,9",
                    "pump-2,flow*rate,l/s,2026-11-21T00:00:00Z,1,7", "pump-2,level,m,2026-11-21T00:00:00Z,10,109",
                    "pump_3,level,m,2026-11-21T00:00:00Z,10,209",
                ])
            let lines = try await api.postText(common + #""limit":1,"format":"ndjson"}"#).body.split(separator: "\n")
            #expect(lines.count == 4)
            #expect(
                lines.first.map { String($0) }
                    == #"{"device":"pump-1","metric":"level","unit":"m","time":"2026-11-21T00:00:00Z","#
                    + #""value":0,"type":"double","quality":"good"}"#
            )
            let gaps = try await api.postText(common + #""gaps":"4m","format":"csv"}"#).body.split(separator: "\r\n")
            #expect(
                gaps == [
                    "device,metric,unit,from,to,seconds",
                    "pump-2,flow*rate,l/s,2026-11-21T00:00:00.000005Z,2026-11-21T00:10:00Z,599.999995",
                ])
            let cut = try await api.post(common + #""limit":3}"#).json["series"] as? [[String: Any]] ?? []
            #expect(cut.map { $0["truncated"] as? Bool ?? false } == [true, false, true, true])
            #expect(cut.map { ($0["samples"] as? [Any])?.count } == [3, 1, 3, 3])
        }
    }

    /// Every page ends at another place; many samples share a moment.
    @Test(arguments: 0..<4) func pagesOfManySeriesGiveEverySampleOnce(seed: Int) async throws {
        try await withPostgresDatabase { url, _ in
            let sink = try SinkFixture(url).sink()
            var random = SeededRandom(seed: UInt64(seed))
            var expected: [Int: [String]] = [:]
            for device in 0..<8 {
                let points = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                    Point(
                        device: "d\(device)", offset: Int64.random(in: 0..<6, using: &random) * 40_000_000_000,
                        value: .int(Int64.random(in: 0..<9, using: &random)))
                }
                try SinkFixture.write(sink, [(points, nil)], base: device == 0 ? nil : Int64(device), next: Int64(device + 1))
                expected[device] = points.map { "\($0.offset) \($0.value)" }.sorted()
            }
            let fixture = try QueryFixture(url)
            let found = try await fixture.reader.find(
                SeriesFilter(devices: [NamePattern("*")], metrics: [NamePattern("t")], unit: nil), limit: 100)
            #expect(found.count == 8)
            let query = PointQuery(
                series: found.series.map(\.id), from: Point.start, to: Point.start + 400_000_000_000, extent: SealedExtent())
            for limit in [1, 3, 17, 1_000] {
                var place: SeriesPlace? = SeriesPlace(series: 0, time: query.from)
                var read: [Int: [PointRow]] = [:]
                while let here = place {
                    let page = try await query.page(fixture.reader, at: here, limit: limit)
                    for row in page.rows { read[row.series, default: []].append(row) }
                    place = page.next
                }
                for device in 0..<8 {
                    let rows = read[device] ?? []
                    #expect(rows.map(\.time) == rows.map(\.time).sorted())
                    #expect(rows.map { "\($0.time - Point.start) \($0.value)" }.sorted() == expected[device], "pages of \(limit)")
                }
            }
        }
    }

    @Test func whatIsTooMuchIsRefusedWithWhatWouldFit() async throws {
        try await withPostgresDatabase { url, _ in
            try Self.fill(url)
            let limits = QueryLimits(series: 3, buckets: 30, bucketsPerSeries: 12, points: 12, concurrent: 2)
            let api = try QueryFixture(url, limits: limits)
            let window = Self.whole
            let cases: [(String, String, String, String)] = [
                (#""devices":"*","metrics":"*""#, "too_many_series", "devices", "covers 4 series, at most 3 fit"),
                (
                    #""devices":"pump-1","metrics":"*","every":"30s","agg":"min""#, "window_too_large", "every",
                    "at most 12 fit: use every=1m"
                ),
                (#""devices":"pump*","metrics":"level","every":"50s","agg":"min""#, "window_too_large", "every", "for each of 3 series"),
                (
                    #""devices":"pump*","metrics":"level","every":"5m","agg":"p90""#, "query_too_large", "from",
                    "at most 12 may be: a window of"
                ),
            ]
            for (members, code, field, detail) in cases {
                let (status, answer) = try await api.post("{\(members),\(window)}")
                #expect(status == 422 && answer["code"] as? String == code, "\(members): \(answer)")
                #expect(answer["field"] as? String == field)
                #expect((answer["detail"] as? String)?.contains(detail) == true, "\(answer)")
            }
            let cost = try await api.post(#"{"devices":"pump-1","metrics":"level","every":"1m","agg":"p90","explain":true,"# + window + "}")
            #expect(cost.status == 200 && cost.json["buckets_per_series"] as? Int == 10 && cost.json["series"] as? Int == 1, "\(cost.json)")
            #expect((cost.json["points"] as? Int).map { (1...12).contains($0) } == true, "\(cost.json)")
        }
    }

    /// Of partitions that PostgreSQL has no statistics of.
    @Test func samplesThatAreNotSealedAreEstimatedByCounting() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            // 40 series of 300 samples, and one of 5,000 in the same hour.
            let many = (0..<40).flatMap { series in
                (0..<300).map { Point(device: "few-\(series)", offset: Int64($0) * 12_000_000, value: .int(1)) }
            }
            let dense = (0..<5_000).map { Point(device: "zdense", offset: Int64($0) * 720_000, value: .int(1)) }
            let records = Dictionary(grouping: many, by: \.device).sorted { $0.key < $1.key }.map(\.value) + [dense]
            try SinkFixture.write(fixture.sink(), records.map { ($0, nil) }, base: nil, next: Int64(records.count))
            try fixture.connect().execute("ALTER TABLE timeseries.samples_20261121 SET (autovacuum_enabled = off)")
            let reader = try SealFixture(url).reader
            func estimate(_ series: ClosedRange<Int32>, hours: Int64 = 1) async throws -> Int64 {
                try await reader.estimatedPoints(of: Array(series), from: Point.start, to: Point.start + hours * SealFixture.hour)
            }
            let all = try fixture.connect().query("SELECT id FROM timeseries.series ORDER BY id").map { try $0.get(0, as: Int32.self) }
            #expect(all == Array(1...41))
            #expect(try await estimate(1...40) == 12_000)
            #expect(try await estimate(7...7) == 300)
            #expect(try await (4_995...5_005).contains(estimate(41...41)))
            #expect(try await estimate(90...99) == 0)
            #expect(try await reader.estimatedPoints(of: [], from: 0, to: 1) == 0)
        }
    }

    @Test func aQueryOverTheNumberOfSlotsIsToldToWait() async throws {
        try await withPostgresDatabase { url, _ in
            try Self.fill(url)
            let api = try QueryFixture(url, limits: QueryLimits(concurrent: 1))
            let query = #"{"devices":"*","metrics":"*","agg":"count","# + Self.whole + "}"
            var held: HTTPResponse? = await api.router.respond(to: try HTTPRequest(.post, "/v1/query", body: Array(query.utf8)))
            #expect(held?.status == 200)
            let (response, body) = try await api.postText(query)
            #expect(response.status == 503 && body.contains("queries_busy") && response.headers["Retry-After"] == "1", "\(body)")
            held = nil
            #expect(try await api.post(query).status == 200, "an answer that nobody read gives its slot back, too")
            #expect(try await api.post(query).status == 200, "and one that was read")
        }
    }

    @Test func mistakesAreToldWithTheirMember() async throws {
        try await withPostgresDatabase { url, _ in
            try Self.fill(url)
            let api = try QueryFixture(url)
            let cases: [(String, Int, String, String?)] = [
                ("", 400, "invalid_body", nil), ("[]", 400, "invalid_body", nil), ("{", 400, "invalid_body", nil),
                ("{}", 400, "invalid_body", "devices"), (#"{"devices":[],"metrics":"a"}"#, 400, "invalid_body", "devices"),
                (#"{"devices":"a"}"#, 400, "invalid_body", "metrics"),
                (#"{"devices":"a b","metrics":"a"}"#, 400, "invalid_body", "devices"),
                (#"{"devices":7,"metrics":"a"}"#, 400, "invalid_body", "devices"),
                (#"{"devices":"a","metrics":[""]}"#, 400, "invalid_body", "metrics"),
                (#"{"devices":"a","metrics":["x\u0000"]}"#, 400, "invalid_body", "metrics"),
                (#"{"devices":"a","metrics":"b","device":"c"}"#, 400, "invalid_body", "device"),
                (#"{"devices":"a","metrics":"b","from":"yesterday"}"#, 400, "invalid_body", "from"),
                (#"{"devices":"a","metrics":"b","from":true}"#, 400, "invalid_body", "from"),
                (#"{"devices":"a","metrics":"b","from":"now","to":"-1h"}"#, 400, "invalid_parameter", "from"),
                (#"{"devices":"a","metrics":"b","every":"5 m","agg":"min"}"#, 400, "invalid_body", "every"),
                (#"{"devices":"a","metrics":"b","every":"5m"}"#, 400, "invalid_parameter", "every"),
                (#"{"devices":"a","metrics":"b","agg":"mean"}"#, 400, "invalid_body", "agg"),
                (#"{"devices":"a","metrics":"b","agg":["min","min"]}"#, 400, "invalid_body", "agg"),
                (#"{"devices":"a","metrics":"b","agg":[]}"#, 400, "invalid_body", "agg"),
                (#"{"devices":"a","metrics":"b","every":"day","zone":"Mars/Base","agg":"min"}"#, 400, "invalid_parameter", "zone"),
                (#"{"devices":"a","metrics":"b","every":"1h","zone":"Europe/Berlin","agg":"min"}"#, 400, "invalid_parameter", "zone"),
                (#"{"devices":"a","metrics":"b","zone":"Europe/Berlin","agg":"min"}"#, 400, "invalid_parameter", "zone"),
                (#"{"devices":"a","metrics":"b","fill":"zero","every":"1h","agg":"min"}"#, 400, "invalid_body", "fill"),
                (#"{"devices":"a","metrics":"b","fill":"null"}"#, 400, "invalid_parameter", "fill"),
                (#"{"devices":"a","metrics":"b","fill":"null","agg":"min"}"#, 400, "invalid_parameter", "fill"),
                (#"{"devices":"a","metrics":"b","gaps":"0s"}"#, 400, "invalid_body", "gaps"),
                (#"{"devices":"a","metrics":"b","gaps":"1m","agg":"min"}"#, 400, "invalid_parameter", "gaps"),
                (#"{"devices":"a","metrics":"b","limit":0}"#, 400, "invalid_body", "limit"),
                (#"{"devices":"a","metrics":"b","limit":1.5}"#, 400, "invalid_body", "limit"),
                (#"{"devices":"a","metrics":"b","limit":5,"agg":"min"}"#, 400, "invalid_parameter", "limit"),
                (#"{"devices":"a","metrics":"b","format":"xml"}"#, 400, "invalid_body", "format"),
                (#"{"devices":"a","metrics":"b","explain":"yes"}"#, 400, "invalid_body", "explain"),
                (#"{"devices":"a","metrics":"b"}"#, 404, "series_unknown", "devices"),
            ]
            for (body, status, code, field) in cases {
                let answer = try await api.post(body)
                #expect(answer.status == status && answer.json["code"] as? String == code, "\(body): \(answer.json)")
                #expect(answer.json["field"] as? String == field, "\(body): \(answer.json)")
            }
        }
    }

    @Test func oneSeriesMayBeAskedWithTheSameMeans() async throws {
        try await withPostgresDatabase { url, _ in
            let minutes: [Int64] = [0, 1, 2, 30, 31]
            let points = minutes.map { Point(offset: $0 * Self.minute, value: .int($0)) }
            try SinkFixture.write(try SinkFixture(url).sink(), [(points, nil)], base: nil, next: 1)
            let api = try QueryFixture(url)
            let path = "/v1/devices/d1/series/t"
            let day = try await api.get(
                path,
                [
                    ("from", "2026-11-20"), ("to", "2026-11-22"), ("every", "day"), ("zone", "Europe/Berlin"), ("agg", "increase"),
                    ("fill", "null"),
                ])
            #expect(day.body.contains(#""every":"day","zone":"Europe/Berlin","tier":"points""#), "\(day.body)")
            #expect(
                day.body.contains(
                    #"[{"time":"2026-11-19T23:00:00Z","increase":null},{"time":"2026-11-20T23:00:00Z","increase":31},"#
                        + #"{"time":"2026-11-21T23:00:00Z","increase":null}]"#), "\(day.body)")
            let gaps = try await api.get(
                path, [("from", "2026-11-21"), ("to", "2026-11-21T00:40:00Z"), ("gaps", "10m"), ("format", "ndjson")])
            #expect(gaps.body == "{\"from\":\"2026-11-21T00:02:00Z\",\"to\":\"2026-11-21T00:30:00Z\",\"seconds\":1680}\n")
            #expect(try await api.get(path, [("gaps", "10m"), ("cursor", "abc")]).response.status == 400)
        }
    }
}
