import Domain
import TestSupport
import Testing

@testable import TimeseriesWriter

@Suite("Plans of queries")
struct QueryPlanTests {
    private static let day = RollupTier.day.width
    private static let names = ["min", "max", "avg", "sum", "count", "first", "last", "stddev", "delta"]

    private static func window(_ from: Int64, _ to: Int64) -> QueryWindow {
        QueryWindow(from: Timestamp(microseconds: from), to: Timestamp(microseconds: to), now: Timestamp(microseconds: .max))
    }

    private static func state(_ samples: ArraySlice<(time: Int64, value: MetricValue)>) -> RollupState {
        var builder = StretchBuilder()
        for sample in samples { builder.add(Timestamp(microseconds: sample.time), sample.value) }
        return builder.finish()
    }

    /// Follows the plan: states where it says so, samples elsewhere.
    private static func run(_ plan: QueryPlan, _ samples: RandomSamples.List, _ aggregator: BucketAggregator) -> [Bucket] {
        var aggregator = aggregator
        var buckets: [Bucket] = []
        for stretch in plan.stretches {
            let inside = samples.filter { $0.time >= stretch.from && $0.time < stretch.to }
            guard let tier = stretch.tier else {
                for sample in inside { if let done = aggregator.add(sample.time, sample.value) { buckets.append(done) } }
                continue
            }
            var rest = inside[...]
            while let first = rest.first {
                let start = tier.start(of: first.time)
                let part = rest.prefix { $0.time < start + tier.width }
                rest = rest.dropFirst(part.count)
                if let done = aggregator.add(state(part), tier, start: start) { buckets.append(done) }
            }
        }
        if let done = aggregator.finish() { buckets.append(done) }
        return buckets
    }

    /// NaN differs from itself; what is answered does not.
    private static func text(_ buckets: [Bucket]) -> [String] { buckets.map { "\($0.start) \($0.values)" } }

    @Test(arguments: 0..<150) func anyPlanGivesTheIdenticalAnswer(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let pace: Int64 = [2_000_000, 60_000_000, 1_800_000_000].randomElement(using: &random) ?? 1
        let samples = RandomSamples.make(
            &random, count: 500, pace: pace, from: 20_000 * Self.day + Int64.random(in: 0..<Self.day, using: &random))
        let reach = samples[499].time - samples[0].time
        let from = samples[0].time + Int64.random(in: -reach / 4...reach / 4, using: &random)
        let window = Self.window(from, from + Int64.random(in: 1...reach, using: &random))
        let berlin = try #require(ZoneDirectory().zone("Europe/Berlin"))
        let kolkata = try #require(ZoneDirectory().zone("Asia/Kolkata"))
        let grid: BucketGrid =
            [
                .whole, .fixed(60_000_000), .fixed(300_000_000), .fixed(3_600_000_000), .fixed(7_200_000_000), .fixed(Self.day),
                .fixed(90_000_000), .calendar(.day, .utc), .calendar(.day, berlin), .calendar(.week, kolkata), .calendar(.month, .utc),
            ].randomElement(using: &random) ?? .whole
        let selection = AggregateSelection(Self.names.compactMap { Aggregate($0) })
        let aggregator = BucketAggregator(grid: grid, window: window, selection: selection)
        let expected = Self.text(Self.run(QueryPlan(grid: grid, window: window, source: .points), samples, aggregator))
        for sealed in [window.from - Self.day, window.from + reach / 3, window.to + Self.day] {
            let horizon = RollupTier.day.start(of: sealed)
            let plan = QueryPlan(grid: grid, window: window, source: .states, sealedBefore: horizon)
            #expect(plan.stretches.first?.from == window.from && plan.stretches.last?.to == window.to)
            #expect(zip(plan.stretches, plan.stretches.dropFirst()).allSatisfy { $0.to == $1.from })
            #expect(Self.text(Self.run(plan, samples, aggregator)) == expected, "\(grid) \(plan)")
        }
    }

    @Test func theCoarsestTierThatFitsIsTaken() throws {
        let berlin = try #require(ZoneDirectory().zone("Europe/Berlin"))
        let kolkata = try #require(ZoneDirectory().zone("Asia/Kolkata"))
        let week = Self.window(20_000 * Self.day, 20_007 * Self.day)
        let cases: [(BucketGrid, RollupTier?)] = [
            (.whole, .day), (.fixed(Self.day), .day), (.fixed(7_200_000_000), .hour), (.fixed(300_000_000), .minute),
            (.fixed(90_000_000), nil),
            (.calendar(.month, .utc), .day), (.calendar(.day, berlin), .hour), (.calendar(.day, kolkata), .minute),
        ]
        for (grid, tier) in cases {
            #expect(grid.tier(in: week) == tier)
            let plan = QueryPlan(grid: grid, window: week, source: .states, sealedBefore: week.to)
            #expect(plan.tier == tier)
            #expect(plan.stretches == [QueryStretch(from: week.from, to: week.to, tier: tier)])
            #expect(QueryPlan(grid: grid, window: week, source: .points, sealedBefore: week.to).tier == nil)
        }
    }

    @Test func edgesComeFromFinerTiersAndThePresentFromSamples() {
        let (minute, hour) = (RollupTier.minute.width, RollupTier.hour.width)
        let start = 20_000 * Self.day
        let from = start - 2 * hour - 3 * minute - 7
        let plan = QueryPlan(
            grid: .whole, window: Self.window(from, start + 2 * Self.day + 5), source: .states, sealedBefore: start + Self.day)
        #expect(
            plan.stretches == [
                QueryStretch(from: from, to: start - 2 * hour - 3 * minute, tier: nil),
                QueryStretch(from: start - 2 * hour - 3 * minute, to: start - 2 * hour, tier: .minute),
                QueryStretch(from: start - 2 * hour, to: start, tier: .hour), QueryStretch(from: start, to: start + Self.day, tier: .day),
                QueryStretch(from: start + Self.day, to: start + 2 * Self.day + 5, tier: nil),
            ])
        #expect(plan.stateCount == 3 + 2 + 1)
    }

    @Test func patternsAreReadAsNamesOrLikes() {
        #expect(NamePattern("pump-7").like == nil)
        #expect(NamePattern("pump_*").like == #"pump\_%"#)
        #expect(NamePattern(#"a\*b"#).like == nil && NamePattern(#"a\*b"#).text == "a*b")
        #expect(NamePattern(#"*\\%"#).like == #"%\\\%"#)
    }
}
