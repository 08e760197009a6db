import Testing

@testable import MQTTClient

@Suite struct BatchPaceTests {
    /// A pace that has seen batches come at so many messages per millisecond.
    private func pace(_ perMillisecond: Double, longest: Double = 5_000) -> BatchPace {
        var pace = BatchPace(longest: longest, worthwhile: 200)
        for batch in 0..<100 { pace.ended(messages: Int(perMillisecond * 10), at: Double(batch) * 10_000) }
        return pace
    }

    @Test func aLoneMessageGoesOnAtOnce() {
        let fresh = BatchPace(longest: 5_000)
        #expect(fresh.end(start: 7) == 7)
        #expect(pace(0.3).end(start: 7) == 7)
    }

    @Test func underLoadItWaitsUntilABatchIsWorthwhile() {
        #expect(abs(pace(100).end(start: 0) - 2_000) < 1)
        #expect(pace(10).end(start: 0) == 5_000)
        #expect(pace(10, longest: 0).end(start: 3) == 3)
    }

    @Test func itForgetsALoadThatIsOver() {
        var pace = pace(100)
        for second in 1...20 { pace.ended(messages: 1, at: 1e6 + Double(second) * 1e6) }
        #expect(pace.end(start: 7) == 7)
    }

    @Test func aClockThatStandsStillDoesNoHarm() {
        var pace = BatchPace(longest: 5_000)
        for _ in 0..<3 { pace.ended(messages: 100, at: 1) }
        #expect(pace.end(start: 1) == 1)
    }
}
