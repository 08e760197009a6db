/// A time as clients write it: `now`, relative (`-1h`, `+5m`, `now-1h30m`), RFC 3339, a date (midnight UTC), or a number since the Unix
/// epoch whose size tells its unit (seconds, milliseconds, microseconds, nanoseconds).
public enum TimeExpression {
    public static let allowed = "now, -1h, RFC 3339, a date, or a number since the epoch in s, ms, µs or ns"

    /// - Returns: nil when the text is none of these or outside the years 1 to 9999.
    public static func parse(_ text: String, now: Timestamp) -> Timestamp? {
        let time = relative(text, now: now) ?? number(text) ?? absolute(text)
        return time.flatMap { $0.isRepresentable ? $0 : nil }
    }

    private static func relative(_ text: String, now: Timestamp) -> Timestamp? {
        var rest = text[...]
        if rest.hasPrefix("now") {
            rest = rest.dropFirst(3)
            if rest.isEmpty { return now }
        }
        guard let sign = rest.popFirst(), sign == "-" || sign == "+" || sign == " ", let span = DurationText.parse(String(rest)) else {
            return nil
        }
        // In a query string a plus that is not escaped arrives as a space.
        return now.advanced(by: sign == "-" ? .zero - span : span)
    }

    private static func number(_ text: String) -> Timestamp? {
        guard let number = Int64(text), text.first != "+" else { return nil }
        let magnitude = number.magnitude
        let (scaled, overflow): (Int64, Bool) =
            switch magnitude {
            case ..<100_000_000_000: number.multipliedReportingOverflow(by: 1_000_000)
            case ..<100_000_000_000_000: number.multipliedReportingOverflow(by: 1_000)
            case ..<100_000_000_000_000_000: (number, false)
            default: (number / 1_000, false)
            }
        return overflow ? nil : Timestamp(microseconds: scaled)
    }

    private static func absolute(_ text: String) -> Timestamp? {
        if let time = try? Timestamp(rfc3339: text) { return time }
        return text.utf8.count == 10 ? try? Timestamp(rfc3339: text + "T00:00:00Z") : nil
    }
}

/// A length of time: whole numbers with `ms`, `s`, `m`, `h`, `d`, greatest first or not: `90s`, `1h30m`.
public enum DurationText {
    public static let allowed = "a positive duration: 500ms, 10s, 5m, 1h30m, 1d"

    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// - Returns: nil when the text is no duration, is zero, or is longer than 10,000 years.
    public static func parse(_ text: String) -> Duration? {
        var rest = text[...]
        var total: Int64 = 0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let name = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
            guard let count = Int64(digits), let unit = units.first(where: { $0.name == name }) else { return nil }
            let (part, overflow) = count.multipliedReportingOverflow(by: unit.milliseconds)
            let (sum, sumOverflow) = total.addingReportingOverflow(part)
            guard !overflow, !sumOverflow, sum <= 315_576_000_000_000 else { return nil }
            total = sum
            rest = rest.dropFirst(digits.count + name.count)
        }
        return total > 0 ? .milliseconds(total) : nil
    }

    /// The shortest way to write a duration in one unit; rounded up to whole milliseconds.
    public static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        let unit = units.last { milliseconds % $0.milliseconds == 0 && milliseconds >= $0.milliseconds } ?? units[0]
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}
