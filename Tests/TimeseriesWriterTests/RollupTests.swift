import Domain
import TestSupport
import Testing

@testable import TimeseriesWriter

@Suite struct RollupTests {
    private typealias Samples = [(time: Timestamp, value: MetricValue)]

    private static func randomSamples(_ random: inout SeededRandom) -> Samples {
        var time = Int64.random(in: -345_600_000_000...345_600_000_000, using: &random)
        let pace: Int64 = [3_000_000, 600_000_000, 7_200_000_000].randomElement(using: &random) ?? 1
        let mixed = Bool.random(using: &random)
        return (0..<600).map { index in
            time += Int64.random(in: 0...pace, using: &random)
            let value: MetricValue =
                switch mixed ? Int.random(in: 0..<6, using: &random) : 4 {
                case 0: .bool(true)
                case 1: .string("s\(index)")
                case 2: .double(.nan)
                case 3: .int(.random(in: Int64.min...Int64.max, using: &random))
                default: .double(.random(in: -1e6...1e6, using: &random))
                }
            return (Timestamp(microseconds: time), value)
        }
    }

    private static func states(_ samples: Samples, _ tier: RollupTier) -> [Int64: RollupState] {
        Dictionary(grouping: samples) { tier.start(of: $0.time.microseconds) }.mapValues { state($0) }
    }

    private static func state(_ samples: Samples) -> RollupState {
        var builder = StretchBuilder()
        for sample in samples { builder.add(sample.time, sample.value) }
        return builder.finish()
    }

    /// NaN differs from itself; what a state says does not.
    private static func text(_ state: RollupState) -> String { "\(state)" }

    @Test(arguments: 0..<60) func aStretchHasTheSameBitsWhateverItsPartsCameFrom(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let samples = Self.randomSamples(&random)
        let stored = RollupTier.allCases.map { Self.states(samples, $0) }
        let end = samples[samples.count - 1].time.microseconds + 1
        var builder = StretchBuilder()
        var next = samples.startIndex
        while next < samples.count {
            let time = samples[next].time.microseconds
            let isFirst = next == 0 || samples[next - 1].time.microseconds < time
            // A state may stand for samples only when the stretch holds all of its samples: begin to end.
            let fitting = RollupTier.allCases.filter { tier in
                let start = tier.start(of: time)
                let isWhole = isFirst && (next == 0 || samples[next - 1].time.microseconds < start)
                return isWhole && start + tier.width <= end
            }
            guard let tier = fitting.randomElement(using: &random), Int.random(in: 0..<4, using: &random) > 0 else {
                builder.add(samples[next].time, samples[next].value)
                next += 1
                continue
            }
            let start = tier.start(of: time)
            if let part = stored[tier.rawValue][start] { builder.add(part, tier, start: Timestamp(microseconds: start)) }
            while next < samples.count && samples[next].time.microseconds < start + tier.width { next += 1 }
        }
        #expect(Self.text(builder.finish()) == Self.text(Self.state(samples)))
    }

    @Test func anEmptyStretchSaysSo() {
        var builder = StretchBuilder()
        #expect(builder.isEmpty)
        let state = builder.finish()
        #expect(state.count == 0 && state.sum == nil && state.first == nil)
    }

    @Test func integersStayExactAsLongAsTheyFit() {
        var state = RollupBuilder()
        let large = Int64(1) << 62
        state.add(.int(large + 1))
        #expect(state.finish().sum == .int(large + 1))
        #expect(state.finish().greatest == .int(large + 1))
        state.add(.int(large))
        state.add(.int(large))
        #expect(state.finish().sum == .double(3 * Double(large)))
        state.add(.int(-2 * large))
        #expect(state.finish().sum == .int(large + 1))
    }

    @Test func deviationsKeepTheirDigitsFarFromZero() {
        var state = RollupBuilder()
        for offset in [-1.0, 0, 1] { state.add(.double(1e12 + offset)) }
        #expect(state.finish().squares == 2)
    }

    @Test func smallTermsAreNotSwallowedByLargeOnes() {
        var sum = CompensatedSum()
        for term in [1.0, 1e100, 1.0, -1e100] { sum.add(term) }
        #expect(sum.value == 2)
    }
}
