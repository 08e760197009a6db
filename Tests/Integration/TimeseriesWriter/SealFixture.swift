import Domain
import Logging
import Metrics
import PostgresClient
import TestSupport
import Wire

@testable import TimeseriesWriter

/// A database whose days can be sealed by hand, and what its reading side says about them.
struct SealFixture: Sendable {
    static let day: Int64 = 86_400_000_000
    static let hour: Int64 = 3_600_000_000
    let sink: SinkFixture
    let reader: SampleReader
    let metrics = SealMetrics(MetricsRegistry())

    init(_ url: String) throws {
        sink = try SinkFixture(url)
        reader = SampleReader(pool: PostgresPool(.init(url: url, options: PostgresOptions(applicationName: "query"))))
    }

    /// One run as of `now` (microseconds after `Point.start`), with no allowance.
    func seal(now: Int64, keeping rules: [String] = [], connection: PostgresConnection? = nil, watch: SealWatch = SealWatch()) throws {
        guard let retention = RetentionRules(rules) else { throw SupportError("no rules: \(rules)") }
        try SealingRun(
            connection: try connection ?? PostgresConnection(sink.url, PostgresOptions(applicationName: "sealer")),
            settings: SealSettings(allowance: .zero, interval: .seconds(1), retention: retention), metrics: metrics,
            logger: Logger(label: "test", level: .critical), watch: watch
        ).run(now: Point.start + now)
    }

    /// A sample without its key: what clients see.
    struct Seen: Equatable {
        var time: Int64
        var value: MetricValue
        var quality: UInt8

        init(_ sample: StoredSample) {
            (time, value, quality) = (sample.key.time.microseconds - Point.start, sample.value, sample.quality.rawValue)
        }

        /// NaN is itself here.
        static func == (left: Self, right: Self) -> Bool {
            left.time == right.time && left.quality == right.quality && "\(left.value)" == "\(right.value)"
        }
    }

    /// All samples of a series, in pages of `limit`.
    func samples(_ series: Int32, limit: Int = 1_000, from: Int64? = nil, to: Int64? = nil) async throws -> [StoredSample] {
        var all: [StoredSample] = []
        while true {
            let page = try await reader.samples(
                of: series, from: from.map { Timestamp(microseconds: Point.start + $0) } ?? .earliest,
                to: to.map { Timestamp(microseconds: Point.start + $0) } ?? .latest, after: all.last?.key, limit: limit)
            all += page
            if page.count < limit { return all }
        }
    }

    /// Series and begin of a rolled-up stretch.
    struct RollupKey: Hashable {
        var series: Int32
        var start: Timestamp
    }

    /// Every row of a tier.
    func rollups(_ series: [Int32], _ tier: RollupTier, limit: Int = 7) async throws -> [RollupKey: RollupState] {
        let query = StateQuery(
            series: series, tier: tier, from: Timestamp.earliest.microseconds, to: Timestamp.latest.microseconds,
            fields: [.sum, .squares, .least, .greatest, .first, .last])
        var (states, place) = ([RollupKey: RollupState](), SeriesPlace?(SeriesPlace(series: 0, time: query.from)))
        while let here = place {
            let page = try await query.page(reader, at: here, limit: limit)
            for row in page.rows {
                states[RollupKey(series: series[row.series], start: Timestamp(microseconds: row.start))] = row.state
            }
            place = page.next
        }
        return states
    }

    func count(_ sql: String) throws -> Int { try sink.connect().query("SELECT count(*) FROM \(sql)")[0].get(0) }

    /// States made from samples as queries make them.
    static func states(_ samples: [StoredSample], _ tier: RollupTier) -> [Int64: RollupState] {
        let groups = Dictionary(grouping: samples) { tier.start(of: $0.key.time.microseconds) }
        return groups.mapValues { samples in
            var builder = StretchBuilder()
            for sample in samples { builder.add(sample.key.time, sample.value) }
            return builder.finish()
        }
    }
}

/// A random series: all types, all qualities, bursts of equal times, gaps, long constant stretches, extremes.
struct RandomSeries {
    var random: SeededRandom

    mutating func values(_ count: Int) -> [MetricValue] {
        let kind = Int.random(in: 0..<7, using: &random)
        var current = 20.0
        return (0..<count).map { _ in
            switch kind {
            case 0: return .int(Int64.random(in: -3...3, using: &random))
            case 1: return .bool(Bool.random(using: &random))
            case 2: return .string(["", "on", "off", "grün; \\N"].randomElement(using: &random) ?? "")
            case 3:
                if Int.random(in: 0..<20, using: &random) == 0 { current += Double(Int.random(in: -5...5, using: &random)) / 10 }
                return .double(current)
            case 4: return .double(Double.random(in: -1e9...1e9, using: &random))
            default:
                let odd: [MetricValue] = [
                    .double(.nan), .double(.infinity), .double(-0.0), .int(.max), .int(.min), .bool(true), .string("x"), .double(1.5),
                    .int(7),
                ]
                return odd.randomElement(using: &random) ?? .int(0)
            }
        }
    }

    /// Offsets from `Point.start` within three days before it.
    mutating func times(_ count: Int) -> [Int64] {
        let step = [1_000_000, 10_000_000, 60_000_000, 777_777].randomElement(using: &random) ?? 1
        var time = -3 * SealFixture.day + Int64.random(in: 0..<SealFixture.day, using: &random)
        return (0..<count).map { _ in
            switch Int.random(in: 0..<40, using: &random) {
            case 0: time += Int64.random(in: 0..<8 * SealFixture.hour, using: &random)
            case 1, 2: break
            default: time += Int64(step)
            }
            return min(time, -1)
        }
    }
}
