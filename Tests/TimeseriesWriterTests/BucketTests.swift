import Domain
import TestSupport
import Testing

@testable import TimeseriesWriter

/// Samples of a random series.
enum RandomSamples {
    typealias List = [(time: Int64, value: MetricValue)]

    static func make(_ random: inout SeededRandom, count: Int, pace: Int64, from: Int64) -> List {
        var time = from
        let mixed = Bool.random(using: &random)
        return (0..<count).map { index in
            time += Int64.random(in: 0...2 * pace, using: &random)
            let value: MetricValue =
                switch mixed ? Int.random(in: 0..<8, using: &random) : 7 {
                case 0: .string("s\(index)")
                case 1: .bool(Bool.random(using: &random))
                case 2: .double(.nan)
                case 3, 4: .int(Int64.random(in: -9...9, using: &random))
                default: .double(Double.random(in: -5...5, using: &random))
                }
            return (time, value)
        }
    }
}

@Suite("Buckets and their aggregates")
struct BucketTests {
    private static let hour: Int64 = 3_600_000_000

    /// Run with nothing stored but samples.
    static func buckets(_ samples: RandomSamples.List, _ grid: BucketGrid, _ window: QueryWindow, _ names: [String]) -> [Bucket] {
        var aggregator = BucketAggregator(grid: grid, window: window, selection: AggregateSelection(names.compactMap { Aggregate($0) }))
        var buckets: [Bucket] = []
        for sample in samples where sample.time >= window.from && sample.time < window.to {
            if let done = aggregator.add(sample.time, sample.value) { buckets.append(done) }
        }
        if let done = aggregator.finish() { buckets.append(done) }
        return buckets
    }

    private static func window(_ from: Int64, _ to: Int64, now: Int64 = .max) -> QueryWindow {
        QueryWindow(from: Timestamp(microseconds: from), to: Timestamp(microseconds: to), now: Timestamp(microseconds: now))
    }

    @Test(arguments: 0..<30) func aggregatesAgreeWithAListOfTheBucketsValues(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let width = Int64.random(in: 1_000...40_000, using: &random)
        let grid: BucketGrid = seed % 3 == 0 ? .whole : .fixed(width)
        let samples = RandomSamples.make(&random, count: 400, pace: 1_000, from: -100_000)
        let window = Self.window(-100_000, samples[399].time + 1)
        let naive = Dictionary(grouping: samples) { seed % 3 == 0 ? window.from : $0.time.flooredDivision(by: width) * width }
        let names = ["count", "min", "max", "sum", "avg", "stddev", "first", "last", "median", "p90"]
        let buckets = Self.buckets(samples, grid, window, names)
        #expect(buckets.map(\.start) == naive.keys.sorted())
        for bucket in buckets {
            let values = (naive[bucket.start] ?? []).map(\.value)
            let numbers = values.compactMap(\.number)
            #expect(bucket.values[0] == .int(Int64(values.count)) && bucket.count == Int64(values.count))
            let expected = [numbers.min(), numbers.max()] + Self.moments(numbers)
            for (index, number) in expected.enumerated() { Self.same(bucket.values[index + 1]?.number, number, names[index + 1]) }
            #expect("\(bucket.values[6].debugDescription)" == "\(values.first.debugDescription)")
            #expect("\(bucket.values[7].debugDescription)" == "\(values.last.debugDescription)")
            Self.same(bucket.values[8]?.number, Self.quantile(numbers, 0.5), "median")
            Self.same(bucket.values[9]?.number, Self.quantile(numbers, 0.9), "p90")
        }
    }

    private static func moments(_ numbers: [Double]) -> [Double?] {
        guard !numbers.isEmpty else { return [nil, nil, nil] }
        let (sum, count) = (numbers.reduce(0, +), Double(numbers.count))
        let squares = numbers.reduce(0) { $0 + ($1 - sum / count) * ($1 - sum / count) }
        return [sum, sum / count, numbers.count < 2 ? nil : (squares / (count - 1)).squareRoot()]
    }

    static func quantile(_ numbers: [Double], _ fraction: Double) -> Double? {
        guard !numbers.isEmpty else { return nil }
        let sorted = numbers.sorted()
        let place = Double(sorted.count - 1) * fraction
        let (low, high) = (sorted[Int(place)], sorted[min(Int(place) + 1, sorted.count - 1)])
        return low + (high - low) * (place - place.rounded(.down))
    }

    private static func same(_ value: Double?, _ expected: Double?, _ name: String) {
        #expect((value == nil) == (expected == nil), "\(name): \(String(describing: value)), expected \(String(describing: expected))")
        if let value, let expected { #expect(abs(value - expected) < 1e-6, "\(name): \(value), expected \(expected)") }
    }

    @Test func differencesOfBucketsAddUpToTheWhole() {
        let samples: RandomSamples.List = [(0, .int(10)), (5, .int(14)), (12, .int(20)), (31, .int(21)), (38, .double(30.5))]
        let window = Self.window(0, 40)
        let buckets = Self.buckets(samples, .fixed(10), window, ["delta"])
        #expect(buckets.map(\.values) == [[.int(4)], [.int(6)], [.double(10.5)]])
        #expect(Self.buckets(samples, .whole, window, ["delta"]).map(\.values) == [[.double(20.5)]])
        let mixed: RandomSamples.List = [(0, .int(.min)), (1, .int(1)), (12, .string("x")), (23, .int(3))]
        #expect(Self.buckets(mixed, .fixed(10), window, ["delta"]).map(\.values) == [[.double(-Double(Int64.min) + 1)], [nil], [nil]])
    }

    @Test func countersMayBeginAnew() {
        let second: Int64 = 1_000_000
        let readings: [Int64] = [100, 130, 5, 25, 0, 10]
        let samples: RandomSamples.List = readings.enumerated().map { (Int64($0) * 10 * second, .int($1)) }
        let whole = Self.buckets(samples, .whole, Self.window(0, 60 * second), ["increase", "rate"])
        // 30 + (anew) 5 + 20 + (anew) 0 + 10 over 50 s.
        #expect(whole.map(\.values) == [[.int(65), .double(1.3)]])
        let cut = Self.buckets(samples, .fixed(20 * second), Self.window(0, 60 * second), ["increase", "rate"])
        #expect(cut.map { $0.values[0] } == [.int(30), .int(25), .int(10)])
        #expect(cut.map { $0.values[1] } == [.double(3), .double(1.25), .double(0.5)])
        let one = Self.buckets([(0, .int(5)), (7, .string("x"))], .whole, Self.window(0, 10), ["increase", "rate"])
        #expect(one.map(\.values) == [[nil, nil]])
        let huge = Self.buckets([(0, .int(.min)), (1, .int(.max)), (2, .double(1.5))], .whole, Self.window(0, 10), ["increase"])
        #expect(huge.first?.values == [.double(Double(UInt64.max) + 1.5)])
    }

    @Test func theMeanOverTimeWeighsByHowLongAValueHeld() {
        let second: Int64 = 1_000_000
        let samples: RandomSamples.List = [
            (2 * second, .int(1)), (6 * second, .double(5)), (7 * second, .double(.nan)), (25 * second, .int(9)),
        ]
        let window = Self.window(0, 40 * second, now: 28 * second)
        // From 2 s on, 4 s of 1 and 4 s of 5; then 5 s of 5 and, up to the present, 3 s of 9.
        #expect(Self.buckets(samples, .fixed(10 * second), window, ["twa"]).map(\.values) == [[.double(3)], [.double(52.0 / 8)]])
        // 4 s of 1, 19 s of 5, 3 s of 9.
        #expect(Self.buckets(samples, .whole, window, ["twa"]).map(\.values) == [[.double(126.0 / 26)]])
        let moment = Self.buckets([(5, .int(1)), (5, .int(3))], .whole, Self.window(0, 9, now: 5), ["twa"])
        #expect(moment.map(\.values) == [[.double(3)]])
    }

    @Test(arguments: 0..<20) func theMeanOverTimeOfBucketsGivesThatOfTheWhole(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let samples = RandomSamples.make(&random, count: 200, pace: 300, from: 0).map {
            (time: $0.time, value: MetricValue.double(Double($0.time % 97)))
        }
        let width: Int64 = 2_000
        let first = samples[0].time.flooredDivision(by: width) * width
        let window = Self.window(first, (samples[199].time.flooredDivision(by: width) + 1) * width)
        let buckets = Self.buckets(samples, .fixed(width), window, ["twa"])
        var fill = BucketFill(mode: .previous, grid: .fixed(width), window: window, aggregates: [.twa])
        var all: [Bucket] = []
        for bucket in buckets { fill.add(bucket) { all.append($0) } }
        fill.finish { all.append($0) }
        let area = all.enumerated().reduce(0.0) { sum, item in
            let held = item.offset == 0 ? first + width - samples[0].time : width
            return sum + (item.element.values[0]?.number ?? .nan) * Double(held)
        }
        let whole = Self.buckets(samples, .whole, window, ["twa"])[0].values[0]?.number ?? .nan
        #expect(abs(area / Double(window.to - samples[0].time) - whole) < 1e-9)
    }

    @Test func namesOfAggregatesAreRead() {
        #expect(Aggregate("median") == .quantile(0.5) && Aggregate("p95") == .quantile(0.95) && Aggregate("p0") == .quantile(0))
        #expect(Aggregate("p99.9") == .quantile(99.9 / 100) && Aggregate("p100") == .quantile(1))
        for name in ["", "p", "p101", "p-1", "p1e1", "pnan", "P95", "mean", "p9.99.9", "p1234567890"] {
            #expect(Aggregate(name) == nil, "\(name)")
        }
    }

    @Test func bucketsOfAWindowAreCounted() {
        #expect(BucketGrid.fixed(1_000_000).count(in: Self.window(0, 9_999_999), limit: 100) == 10)
        #expect(BucketGrid.fixed(10).count(in: Self.window(-5, 5), limit: 100) == 2)
        let ages = Self.window(Timestamp.earliest.microseconds, Timestamp.latest.microseconds)
        #expect(BucketGrid.fixed(1_000).count(in: ages, limit: 100) == 101)
        #expect(BucketGrid.calendar(.day, .utc).count(in: ages, limit: 100) == 101)
        #expect(BucketGrid.calendar(.month, .utc).count(in: Self.window(0, 59 * 86_400_000_000), limit: 100) == 2)
        #expect(BucketGrid.whole.count(in: ages, limit: 1) == 1)
    }
}

@Suite("Filled buckets and gaps")
struct FillTests {
    private static let window = QueryWindow(
        from: Timestamp(microseconds: 5), to: Timestamp(microseconds: 75), now: Timestamp(microseconds: 1_000))

    private static func filled(_ mode: FillMode, _ names: [String], _ samples: RandomSamples.List) -> [String] {
        let aggregates = names.compactMap { Aggregate($0) }
        var fill = BucketFill(mode: mode, grid: .fixed(10), window: window, aggregates: aggregates)
        var rows: [String] = []
        func emit(_ bucket: Bucket) {
            let values = bucket.values.map { value -> String in
                guard let value else { return "-" }
                if case .string(let text) = value { return text }
                return value.number.map { "\($0)" } ?? "\(value)"
            }
            rows.append(([bucket.start.description] + values).joined(separator: " "))
        }
        for bucket in BucketTests.buckets(samples, .fixed(10), window, names) { fill.add(bucket, emit) }
        fill.finish(emit)
        return rows
    }

    private static let samples: RandomSamples.List = [(23, .int(2)), (27, .int(4)), (55, .double(9)), (61, .string("x"))]

    @Test func emptyBucketsAreLeftOutOrNull() {
        #expect(Self.filled(.none, ["max", "count"], Self.samples) == ["20 4.0 2.0", "50 9.0 1.0", "60 - 1.0"])
        #expect(
            Self.filled(.null, ["max", "count"], Self.samples) == [
                "0 - 0.0", "10 - 0.0", "20 4.0 2.0", "30 - 0.0", "40 - 0.0", "50 9.0 1.0", "60 - 1.0", "70 - 0.0",
            ])
        #expect(Self.filled(.null, ["max", "count"], []).count == 8)
        #expect(Self.filled(.none, ["max", "count"], []).isEmpty)
    }

    @Test func emptyBucketsTakeTheValueBefore() {
        #expect(
            Self.filled(.previous, ["last", "count"], Self.samples) == [
                "0 - 0.0", "10 - 0.0", "20 4.0 2.0", "30 4.0 0.0", "40 4.0 0.0", "50 9.0 1.0", "60 x 1.0", "70 x 0.0",
            ])
    }

    @Test func emptyBucketsLieOnTheLineBetween() {
        #expect(
            Self.filled(.linear, ["min", "last"], Self.samples) == [
                "0 - -", "10 - -", "20 2.0 4.0", "30 4.333333333333333 5.666666666666666", "40 6.666666666666666 7.333333333333333",
                "50 9.0 9.0",
                "60 - x", "70 - -",
            ])
    }

    @Test func longSilenceIsFound() {
        var finder = GapFinder(window: Self.window, longerThan: 10)
        var gaps: [Gap] = []
        for time: Int64 in [15, 15, 25, 36, 60] { if let gap = finder.add(time) { gaps.append(gap) } }
        if let gap = finder.finish() { gaps.append(gap) }
        #expect(gaps == [Gap(from: 25, to: 36), Gap(from: 36, to: 60), Gap(from: 60, to: 75)])
        #expect(finder.finish() == Gap(from: 5, to: 75), "a series without samples is one gap")
        var present = GapFinder(
            window: QueryWindow(from: .unixEpoch, to: Timestamp(microseconds: 100), now: Timestamp(microseconds: 40)), longerThan: 30)
        #expect(present.add(5) == nil && present.finish() == Gap(from: 5, to: 40), "the future is no gap")
    }
}

@Suite("Quantiles")
struct QuantileTests {
    @Test func fewValuesAreExact() {
        var fold = QuantileFold()
        for number in [5.0, 1, 4, 2, 3] { fold.add(number) }
        #expect(fold.finish([0, 0.5, 0.9, 1]) == [1, 3, 4.6, 5])
        #expect(fold.finish([0.5]) == [nil])
        fold.add(.infinity)
        fold.add(.infinity)
        #expect(fold.finish([0.5]) == [.infinity])
    }

    @Test(arguments: 0..<12) func manyValuesStayWithinTheStatedError(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let spread = [1.0, 100, 600][seed % 3]
        let numbers = (0..<2 * QuantileFold.exactLimit).map { _ -> Double in
            let size = Double.random(in: -spread...spread, using: &random)
            let number = seed % 2 == 0 ? size : (size < 0 ? -1 : 1) * (2.0).power(size / 2)
            return Int.random(in: 0..<50, using: &random) == 0 ? 0 : number
        }
        var fold = QuantileFold()
        for number in numbers { fold.add(number) }
        #expect(fold.isApproximate)
        let fractions = [0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.95, 0.999, 1]
        let answers = fold.finish(fractions)
        let sorted = numbers.sorted()
        for (fraction, answer) in zip(fractions, answers) {
            let exact = sorted[Int((Double(numbers.count - 1) * fraction).rounded())]
            #expect(abs((answer ?? .nan) - exact) <= abs(exact) * QuantileFold.relativeError, "p\(fraction * 100) of seed \(seed)")
        }
        #expect(!fold.isApproximate, "the next bucket begins exact")
    }
}

extension Double {
    fileprivate func power(_ exponent: Double) -> Double {
        let whole = exponent.rounded(.down)
        return Double(sign: .plus, exponent: Int(whole), significand: 1 + (exponent - whole))
    }
}
