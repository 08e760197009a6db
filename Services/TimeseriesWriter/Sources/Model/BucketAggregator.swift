import Domain

enum Aggregate: String, CaseIterable, Sendable {
    case min, max, avg, sum, count, first, last
}

extension RollupState {
    /// - Returns: nil when the samples have no such aggregate.
    func value(of aggregate: Aggregate) -> MetricValue? {
        switch aggregate {
        case .count: .int(count)
        case .first: first
        case .last: last
        case .min: least
        case .max: greatest
        case .sum: sum
        case .avg: mean.map { .double($0) }
        }
    }
}

/// Cuts a run of samples in rising time into buckets.
struct BucketAggregator {
    struct Bucket {
        var start: Timestamp
        var state: RollupState
    }

    /// Nil: one bucket for the whole window.
    let every: Duration?
    let from: Timestamp
    private var current: Timestamp?
    private var builder = StretchBuilder()

    init(every: Duration?, from: Timestamp) {
        self.every = every
        self.from = from
    }

    /// - Returns: the bucket before, when this sample begins a new one.
    mutating func add(_ time: Timestamp, _ value: MetricValue) -> Bucket? {
        let start = start(of: time)
        let done = start == current ? nil : finish()
        current = start
        builder.add(time, value)
        return done
    }

    /// The last bucket, at the end of the samples.
    mutating func finish() -> Bucket? {
        defer { current = nil }
        return current.map { Bucket(start: $0, state: builder.finish()) }
    }

    /// Buckets begin at multiples of `every` since the Unix epoch: hours and days begin as in UTC.
    private func start(of time: Timestamp) -> Timestamp {
        guard let width = every?.wholeMicroseconds, width > 0 else { return from }
        let (quotient, remainder) = time.microseconds.quotientAndRemainder(dividingBy: width)
        return Timestamp(microseconds: (remainder < 0 ? quotient - 1 : quotient) * width)
    }

    /// Buckets that a window may touch.
    static func count(from: Timestamp, to: Timestamp, every: Duration) -> Int64 {
        let width = max(1, every.wholeMicroseconds)
        return (to.microseconds - from.microseconds) / width + 1
    }
}

extension Duration {
    var wholeMicroseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
