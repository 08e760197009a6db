internal import Domain

/// Messages per second over the last ten full seconds.
struct RecentRate: Sendable {
    private static let span: Int64 = 10
    /// By second, the one that runs included.
    private var counts = [UInt32](repeating: 0, count: Int(span) + 1)
    private var second: Int64 = 0

    mutating func add(_ messages: Int, at time: Timestamp) {
        advance(to: time)
        counts[Int(second % Int64(counts.count))] += UInt32(clamping: messages)
    }

    /// As of `time`, whether anything came meanwhile or not.
    func perSecond(at time: Timestamp) -> Double {
        var copy = self
        copy.advance(to: time)
        let running = copy.counts[Int(copy.second % Int64(counts.count))]
        return Double(copy.counts.reduce(0) { $0 + UInt64($1) } - UInt64(running)) / Double(Self.span)
    }

    private mutating func advance(to time: Timestamp) {
        let now = max(second, time.microseconds / 1_000_000)
        for passed in 0..<min(now - second, Int64(counts.count)) { counts[Int((now - passed) % Int64(counts.count))] = 0 }
        second = now
    }
}
