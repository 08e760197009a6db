/// How long a batch that has emptied its socket still waits for company, in microseconds.
///
/// Each batch costs something whatever its size (a request per Kafka partition, a round trip), so a small one waits until enough
/// messages to make it worthwhile are expected, at the rate seen lately, but never longer than `longest`. It does not wait at all
/// when it is worthwhile already, as under full load, where the next one gathers while this one is stored; nor when hardly anything
/// would come within `longest`: a lone message goes on at once. A pure value: times are parameters.
struct BatchPace {
    let longest: Double
    /// Messages that make a batch worthwhile.
    let worthwhile: Double
    /// Messages per microsecond.
    private var rate = 0.0
    private var lastEnd: Double?

    init(longest: Double, worthwhile: Double = 100) {
        self.longest = longest
        self.worthwhile = worthwhile
    }

    /// How long a batch that began at `start` and has so many messages is still to wait; zero or less: not at all.
    func wait(start: Double, messages: Int, now: Double) -> Double {
        // Less than two further messages to be expected: not worth a wait.
        guard rate * longest >= 2 else { return 0 }
        return min(start + longest - now, (worthwhile - Double(messages)) / rate)
    }

    /// A batch has been read.
    mutating func ended(messages: Int, at now: Double) {
        defer { lastEnd = now }
        guard let lastEnd, now > lastEnd else { return }
        rate += (Double(messages) / (now - lastEnd) - rate) / 4
    }
}
