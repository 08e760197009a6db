/// How long a batch that has emptied its socket still waits for company, in microseconds.
///
/// Each batch costs something whatever its size (a request per Kafka partition, a round trip), so under load it waits until enough
/// messages for a worthwhile batch are expected, at the rate seen lately, but never longer than `longest`. When hardly anything would
/// come within `longest`, it does not wait at all: a lone message goes on at once. A pure value: times are parameters.
struct BatchPace {
    let longest: Double
    /// Messages that make a batch worthwhile.
    let worthwhile: Double
    /// Messages per microsecond.
    private var rate = 0.0
    private var lastEnd: Double?

    init(longest: Double, worthwhile: Double = 200) {
        self.longest = longest
        self.worthwhile = worthwhile
    }

    /// When a batch that began at `start` is to end although it has room.
    func end(start: Double) -> Double {
        // Less than two further messages to be expected: not worth a wait.
        guard rate * longest >= 2 else { return start }
        return start + min(longest, worthwhile / rate)
    }

    /// A batch has been read.
    mutating func ended(messages: Int, at now: Double) {
        defer { lastEnd = now }
        guard let lastEnd, now > lastEnd else { return }
        rate += (Double(messages) / (now - lastEnd) - rate) / 4
    }
}
