import ServiceKit
import Testing

@Suite("Waiting between attempts")
struct BackoffTests {
    @Test func delaysDoubleUpToTheLimitAndStartAnew() {
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(1), random: { 1 })
        #expect((0..<6).map { _ in backoff.next() } == [100, 200, 400, 800, 1_000, 1_000].map { .milliseconds($0) })
        backoff.reset()
        #expect(backoff.next() == .milliseconds(100))
        var low = Backoff(first: .milliseconds(100), limit: .seconds(1), random: { 0 })
        #expect(low.next() == .milliseconds(50))
    }

    @Test func shutdownEndsAWaitAtOnce() {
        let signal = ShutdownSignal()
        signal.request()
        signal.wait(atMost: .seconds(3_600))
        #expect(signal.isShuttingDown)
    }
}
