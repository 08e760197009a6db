import Domain

/// What may be asked of the samples of a bucket.
enum Aggregate: Hashable, Sendable {
    case min, max, avg, sum, count, first, last, stddev, delta, increase, rate, twa
    /// 0…1.
    case quantile(Double)

    /// What an aggregate needs to see.
    enum Source: Int, Comparable {
        /// The states of the roll-ups say it all.
        case states
        /// Every sample.
        case points

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    static let allowed = "min, max, avg, sum, count, first, last, stddev, delta, increase, rate, twa, median, p0…p100 (p99.9)"

    private static let named: [(String, Aggregate)] = [
        ("min", .min), ("max", .max), ("avg", .avg), ("sum", .sum), ("count", .count), ("first", .first), ("last", .last),
        ("stddev", .stddev), ("delta", .delta), ("increase", .increase), ("rate", .rate), ("twa", .twa), ("median", .quantile(0.5)),
    ]

    init?(_ name: String) {
        if let known = Self.named.first(where: { $0.0 == name }) {
            self = known.1
        } else {
            guard let percent = Self.percent(name) else { return nil }
            self = .quantile(percent / 100)
        }
    }

    /// `p95`, `p99.9`: at most three digits behind the point.
    private static func percent(_ name: String) -> Double? {
        guard name.utf8.first == UInt8(ascii: "p"), (2...8).contains(name.utf8.count) else { return nil }
        let digits = name.dropFirst()
        guard digits.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }), let value = Double(digits), value <= 100
        else { return nil }
        return value
    }

    var source: Source {
        switch self {
        case .min, .max, .avg, .sum, .count, .first, .last, .stddev, .delta: .states
        case .increase, .rate, .twa, .quantile: .points
        }
    }
}

/// Parts of a state.
struct StateFields: OptionSet, Sendable {
    let rawValue: UInt8

    /// With the number of numbers.
    static let sum = StateFields(rawValue: 1)
    static let squares = StateFields(rawValue: 2)
    static let least = StateFields(rawValue: 4)
    static let greatest = StateFields(rawValue: 8)
    static let first = StateFields(rawValue: 16)
    static let last = StateFields(rawValue: 32)
}

extension Aggregate {
    /// What it is made from besides the count.
    var fields: StateFields {
        switch self {
        case .min: .least
        case .max: .greatest
        case .avg, .sum: .sum
        // The mean is needed where states are merged.
        case .stddev: [.sum, .squares]
        case .first: .first
        case .last: .last
        case .delta: [.first, .last]
        case .count, .increase, .rate, .twa, .quantile: []
        }
    }
}

extension RollupState {
    /// - Parameter before: last value of the bucket with samples before this one.
    /// - Returns: nil when the samples have no such aggregate, or when it is not made from a state.
    func value(of aggregate: Aggregate, before: MetricValue? = nil) -> MetricValue? {
        switch aggregate {
        case .count: .int(count)
        case .first: first
        case .last: last
        case .min: least
        case .max: greatest
        case .sum: sum
        case .avg: mean.map { .double($0) }
        case .stddev: numbers < 2 ? nil : .double((squares / Double(numbers - 1)).squareRoot())
        case .delta: last?.difference(from: before ?? first)
        case .increase, .rate, .twa, .quantile: nil
        }
    }
}

extension MetricValue {
    /// An integer when both are and it fits; nil unless both are numbers.
    func difference(from other: MetricValue?) -> MetricValue? {
        if case .int(let left) = self, case .int(let right) = other {
            let (exact, overflow) = left.subtractingReportingOverflow(right)
            return overflow ? .double(Double(left) - Double(right)) : .int(exact)
        }
        guard let left = number, let right = other?.number else { return nil }
        return .double(left - right)
    }
}
