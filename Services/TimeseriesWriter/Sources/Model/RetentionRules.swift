/// What is kept for how long: the samples and each width of roll-ups.
enum RetentionTier: String, CaseIterable, Sendable {
    case raw
    case minutes = "1m"
    case hours = "1h"
    case days = "1d"
}

/// `temperature* raw=30d 1m=180d 1h=3y 1d=forever`: for the metrics that fit a pattern, how long each tier is kept. A tier that is not
/// named is kept for ever.
struct RetentionRule: Equatable, Sendable {
    static let allowed =
        "PATTERN TIER=AGE …; * in the pattern stands for any text; tiers raw, 1m, 1h, 1d, none shorter than a finer one; "
        + "ages as 30d, 12w, 3y or forever"

    /// Metric name; `*` stands for any text.
    var pattern: String
    /// In days; a tier that is missing is kept for ever.
    var days: [RetentionTier: Int64]

    /// - Returns: nil when the text is no rule.
    init?(_ text: String) {
        var words = text.split(separator: " ").map(String.init)
        guard words.count >= 2 else { return nil }
        pattern = words.removeFirst()
        days = [:]
        var named: Set<RetentionTier> = []
        for word in words {
            let sides = word.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, let tier = RetentionTier(rawValue: sides[0]), named.insert(tier).inserted else { return nil }
            if sides[1] == "forever" { continue }
            guard let age = Self.age(sides[1]) else { return nil }
            days[tier] = age
        }
        // A finer tier that outlives a coarser one would leave late data without a place to be counted.
        let ages = RetentionTier.allCases.map { days[$0] ?? .max }
        guard zip(ages, ages.dropFirst()).allSatisfy({ $0 <= $1 }) else { return nil }
    }

    private static func age(_ text: String) -> Int64? {
        guard let unit = ["d": 1, "w": 7, "y": 365][text.suffix(1)] as Int64?, let number = Int64(text.dropLast()), number > 0 else {
            return nil
        }
        let (days, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow || days > 3_650_000 ? nil : days
    }

    func fits(_ metric: String) -> Bool { Self.fits(Array(metric.utf8)[...], Array(pattern.utf8)[...]) }

    /// Greedy with one step back: what a star takes is lengthened only for the last star seen.
    private static func fits(_ text: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        var (place, sign) = (text.startIndex, pattern.startIndex)
        var star: (sign: Int, place: Int)?
        while place < text.endIndex {
            if sign < pattern.endIndex, pattern[sign] == UInt8(ascii: "*") {
                star = (sign, place)
                sign += 1
            } else if sign < pattern.endIndex, pattern[sign] == text[place] {
                place += 1
                sign += 1
            } else if let last = star {
                star = (last.sign, last.place + 1)
                (place, sign) = (last.place + 1, last.sign + 1)
            } else {
                return false
            }
        }
        return pattern[sign...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// The rules in order: the first that fits a metric decides; metrics that none fits are kept for ever.
struct RetentionRules: Equatable, Sendable {
    var rules: [RetentionRule] = []

    init() {}

    /// - Returns: nil when a text is no rule.
    init?(_ texts: [String]) {
        for text in texts where !text.isEmpty {
            guard let rule = RetentionRule(text) else { return nil }
            rules.append(rule)
        }
    }

    /// Nothing is ever dropped.
    var isEmpty: Bool { rules.allSatisfy(\.days.isEmpty) }

    /// Place of the rule that decides for a metric.
    func index(for metric: String) -> Int? { rules.firstIndex { $0.fits(metric) } }
}
