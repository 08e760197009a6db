import Domain
import TestSupport
import Testing
import Wire

@Suite struct RoundTripTests {
    @Test(arguments: Seeds.all) func batches(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<150 {
            let batch = try random.batch(maximumSamples: 60)
            let decoded = try TelemetryBatch(decoding: try batch.encoded())
            try #require(render(decoded) == render(batch.inEncodedOrder()), "MARTLET_TEST_SEED=\(seed)")
        }
    }

    @Test(arguments: Seeds.all) func longBatches(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2 {
            let batch = try random.batch(maximumSamples: 3_000)
            let decoded = try TelemetryBatch(decoding: try batch.encoded())
            try #require(render(decoded) == render(batch.inEncodedOrder()), "MARTLET_TEST_SEED=\(seed)")
        }
    }

    @Test(arguments: Seeds.all) func events(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<800 {
            let event = try random.event()
            try #require(try DeviceEvent(decoding: try event.encoded()) == event, "MARTLET_TEST_SEED=\(seed)")
        }
    }

    @Test(arguments: Seeds.all) func deadLetters(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<800 {
            let letter = random.deadLetter()
            try #require(try DeadLetter(decoding: try letter.encoded()) == letter, "MARTLET_TEST_SEED=\(seed)")
        }
    }

    /// Every double that goes in comes out bit for bit, alone and in a column.
    @Test(arguments: Seeds.all) func doubles(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var values: [Double] = (0..<1_500).map { _ in random.double() }
        for exponent in 0...9 {
            let power = Double((0..<exponent).reduce(1) { product, _ in product * 10 })
            values += [1, -1, 3, 99_999_999, 281_474_976_710_655, 281_474_976_710_656, 9_007_199_254_740_991, 9_007_199_254_740_992].map {
                $0 / power
            }
        }
        let samples = try values.map { try GoldenCases.sample(.double($0)) }
        for sample in samples {
            let decoded = try TelemetryBatch(decoding: try GoldenCases.batch([sample]).encoded())
            try #require(bits(decoded) == bits([sample]), "MARTLET_TEST_SEED=\(seed)")
        }
        for start in stride(from: 0, to: samples.count, by: 7) {
            let part = Array(samples[start..<min(start + 7, samples.count)])
            let decoded = try TelemetryBatch(decoding: try GoldenCases.batch(part).encoded())
            try #require(bits(decoded) == bits(part), "MARTLET_TEST_SEED=\(seed)")
        }
    }

    private func render(_ message: some GoldenMessage) -> String { JSONForm.object(message.form).render() }
    private func bits(_ batch: TelemetryBatch) -> [UInt64] { bits(batch.samples) }
    private func bits(_ samples: [Sample]) -> [UInt64] {
        samples.map { if case .double(let value) = $0.value { value.bitPattern } else { 0 } }
    }
}
