import Domain

enum Aggregate: String, CaseIterable, Sendable {
    case min, max, avg, sum, count, first, last
}

/// Aggregates of the samples of one bucket, taken in order of time.
///
/// Integers and doubles of a bucket count together; a result stays an integer as long as only integers made it. Booleans and texts have
/// `count`, `first` and `last` only. NaN counts, and takes no part in `min`, `max`, `avg` and `sum`.
struct BucketState {
    private(set) var count: Int64 = 0
    private var first: MetricValue?
    private var last: MetricValue?
    private var numbers: Int64 = 0
    private var intSum: Int128 = 0
    private var doubleSum = CompensatedSum()
    private var hasDouble = false
    private var least: MetricValue?
    private var greatest: MetricValue?

    mutating func add(_ value: MetricValue) {
        count += 1
        if first == nil { first = value }
        last = value
        switch value {
        case .int(let number):
            numbers += 1
            intSum += Int128(number)
            extend(value)
        case .double(let number):
            guard !number.isNaN else { return }
            numbers += 1
            hasDouble = true
            doubleSum.add(number)
            extend(value)
        case .bool, .string: break
        }
    }

    /// - Returns: nil when the bucket's values have no such aggregate.
    func value(of aggregate: Aggregate) -> MetricValue? {
        switch aggregate {
        case .count: .int(count)
        case .first: first
        case .last: last
        case .min: least
        case .max: greatest
        case .sum: numbers == 0 ? nil : sum
        case .avg: numbers == 0 ? nil : .double((Double(intSum) + doubleSum.value) / Double(numbers))
        }
    }

    private var sum: MetricValue {
        if !hasDouble, let exact = Int64(exactly: intSum) { return .int(exact) }
        return .double(Double(intSum) + doubleSum.value)
    }

    private mutating func extend(_ value: MetricValue) {
        if least.map({ Self.isLess(value, $0) }) ?? true { least = value }
        if greatest.map({ Self.isLess($0, value) }) ?? true { greatest = value }
    }

    private static func isLess(_ left: MetricValue, _ right: MetricValue) -> Bool {
        switch (left, right) {
        case (.int(let left), .int(let right)): left < right
        case (.double(let left), .double(let right)): left < right
        case (.int(let left), .double(let right)): Double(left) < right
        case (.double(let left), .int(let right)): left < Double(right)
        default: false
        }
    }
}

/// Neumaier's compensated summation (ZAMM 54, 1974): the error does not grow with the number of terms.
struct CompensatedSum {
    private var sum = 0.0
    private var compensation = 0.0

    mutating func add(_ term: Double) {
        let next = sum + term
        if next.isFinite { compensation += abs(sum) >= abs(term) ? (sum - next) + term : (term - next) + sum }
        sum = next
    }

    var value: Double { sum.isFinite ? sum + compensation : sum }
}

/// Cuts a run of samples in rising time into buckets.
struct BucketAggregator {
    struct Bucket {
        var start: Timestamp
        var state: BucketState
    }

    /// Nil: one bucket for the whole window.
    let every: Duration?
    let from: Timestamp
    private var current: Bucket?

    init(every: Duration?, from: Timestamp) {
        self.every = every
        self.from = from
    }

    /// - Returns: the bucket before, when this sample begins a new one.
    mutating func add(_ time: Timestamp, _ value: MetricValue) -> Bucket? {
        let start = start(of: time)
        if current?.start == start {
            current?.state.add(value)
            return nil
        }
        var state = BucketState()
        state.add(value)
        defer { current = Bucket(start: start, state: state) }
        return current
    }

    /// The last bucket, at the end of the samples.
    mutating func finish() -> Bucket? {
        defer { current = nil }
        return current
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
