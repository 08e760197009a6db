/// `int8multirange` as PostgreSQL writes it: `{[1,5),[7,9)}`; upper bounds are exclusive in canonical form.
enum MultirangeText {
    static func encode(_ ranges: [SequenceLedger.Run]) -> String {
        var text = "{"
        for (index, range) in ranges.enumerated() {
            if index > 0 { text += "," }
            text += "[\(range.first),\(range.last + 1))"
        }
        return text + "}"
    }

    /// - Returns: nil when the text is no multirange of non-negative numbers with bounds.
    static func decode(_ text: String) -> [SequenceLedger.Run]? {
        var rest = text.utf8[...]
        guard rest.popFirst() == UInt8(ascii: "{") else { return nil }
        var ranges: [SequenceLedger.Run] = []
        while let next = rest.popFirst() {
            if next == UInt8(ascii: "}") { return rest.isEmpty ? ranges : nil }
            if next == UInt8(ascii: ",") { continue }
            guard next == UInt8(ascii: "["), let first = number(&rest), rest.popFirst() == UInt8(ascii: ","), let end = number(&rest),
                rest.popFirst() == UInt8(ascii: ")"), end > first
            else { return nil }
            ranges.append(SequenceLedger.Run(first: first, last: end - 1))
        }
        return nil
    }

    private static func number(_ rest: inout Substring.UTF8View.SubSequence) -> UInt64? {
        var value: UInt64 = 0
        var count = 0
        while let digit = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit), count < 19 {
            value = value * 10 + UInt64(digit - UInt8(ascii: "0"))
            rest.removeFirst()
            count += 1
        }
        return count > 0 ? value : nil
    }
}
