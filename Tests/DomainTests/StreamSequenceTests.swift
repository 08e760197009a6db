import Domain
import Testing

@Suite struct StreamSequenceTests {
    @Test func numbers() {
        let batch = StreamSequence(stream: 1, first: 10)
        let each = StreamSequence(stream: 1, first: 10, scope: .sample)
        #expect((0..<3).map(batch.number) == [10, 10, 10])
        #expect((0..<3).map(each.number) == [10, 11, 12])
        #expect(batch.length(sampleCount: 3) == 1)
        #expect(each.length(sampleCount: 3) == 3)
    }

    @Test func lastNumber() {
        let last = StreamSequence.maximumNumber
        #expect(last == 9_223_372_036_854_775_806)
        #expect(StreamSequence(stream: 0, first: last).isWithinLimits(sampleCount: 10_000))
        #expect(StreamSequence(stream: 0, first: last - 2, scope: .sample).isWithinLimits(sampleCount: 3))
        #expect(!StreamSequence(stream: 0, first: last - 1, scope: .sample).isWithinLimits(sampleCount: 3))
        #expect(!StreamSequence(stream: 0, first: .max, scope: .sample).isWithinLimits(sampleCount: 1))
    }

    @Test func codesOfSourcesAndQuality() {
        #expect(SourceProtocol.allCases.map(\.rawValue) == Array(0...6))
        #expect([Quality.uncertain, .bad, .timeClamped, .timeAssigned].map(\.rawValue) == [1, 2, 4, 8])
    }
}
