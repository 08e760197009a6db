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
        #expect(fresh.wait(start: 7, messages: 1, now: 7) == 0)
        #expect(pace(0.3).wait(start: 7, messages: 1, now: 7) == 0)
    }

    @Test func aSmallBatchWaitsUntilItIsWorthwhile() {
        #expect(abs(pace(100).wait(start: 0, messages: 50, now: 0) - 1_500) < 1)
        #expect(pace(10).wait(start: 0, messages: 50, now: 0) == 5_000)
        #expect(pace(10).wait(start: 0, messages: 50, now: 4_000) == 1_000)
        #expect(pace(10).wait(start: 0, messages: 50, now: 6_000) < 0)
        #expect(pace(10, longest: 0).wait(start: 3, messages: 1, now: 3) <= 0)
    }

    @Test func aLargeBatchDoesNotWait() {
        #expect(pace(100).wait(start: 0, messages: 200, now: 0) == 0)
        #expect(pace(10).wait(start: 0, messages: 2_000, now: 0) < 0)
    }

    @Test func itForgetsALoadThatIsOver() {
        var pace = pace(100)
        for second in 1...20 { pace.ended(messages: 1, at: 1e6 + Double(second) * 1e6) }
        #expect(pace.wait(start: 7, messages: 1, now: 7) == 0)
    }

    @Test func aClockThatStandsStillDoesNoHarm() {
        var pace = BatchPace(longest: 5_000)
        for _ in 0..<3 { pace.ended(messages: 100, at: 1) }
        #expect(pace.wait(start: 1, messages: 1, now: 1) == 0)
    }
}
