/// A compiled file of the IANA time zone data base (RFC 8536, TZif version 2 and later).
enum ZoneFile {
    /// More than any file has.
    static let maximumBytes = 65_536

    /// - Returns: nil when the bytes are no such file.
    static func parse(_ bytes: [UInt8], name: String) -> ZoneRules? {
        guard bytes.count <= maximumBytes, let first = Header(bytes, at: 0), first.version >= 2 else { return nil }
        // The first block holds 32-bit times for old readers; the second one all of it in 64 bits.
        let second = Header.size + first.size(ofTimes: 4)
        guard let header = Header(bytes, at: second) else { return nil }
        let body = second + Header.size
        let end = body + header.size(ofTimes: 8)
        guard end < bytes.count, bytes[end] == 0x0A, let close = bytes[(end + 1)...].firstIndex(of: 0x0A), header.types > 0 else {
            return nil
        }
        let footer = String(decoding: bytes[(end + 1)..<close], as: UTF8.self)
        let rule = ZoneFooter.parse(footer)
        guard footer.isEmpty || rule != nil, let changes = changes(bytes, header, at: body) else { return nil }
        let typesAt = body + header.times * 9
        guard let initial = offset(bytes, typesAt, type: 0) else { return nil }
        return ZoneRules(name: name, initialOffset: initial, changes: changes, rule: rule)
    }

    private static func changes(_ bytes: [UInt8], _ header: Header, at body: Int) -> [ZoneRules.Change]? {
        var changes: [ZoneRules.Change] = []
        for number in 0..<header.times {
            let time = Int64(bitPattern: bytes.bigEndian(at: body + number * 8, count: 8))
            let type = Int(bytes[body + header.times * 8 + number])
            guard type < header.types, let offset = offset(bytes, body + header.times * 9, type: type) else { return nil }
            guard changes.last.map({ $0.time < time }) ?? true else { return nil }
            changes.append(.init(time: time, offset: offset))
        }
        return changes
    }

    /// Types have six bytes: offset, summer flag, name.
    private static func offset(_ bytes: [UInt8], _ types: Int, type: Int) -> Int64? {
        let offset = Int64(Int32(truncatingIfNeeded: bytes.bigEndian(at: types + type * 6, count: 4)))
        return abs(offset) <= 26 * 3_600 ? offset : nil
    }

    private struct Header {
        static let size = 44
        let version: Int
        /// Numbers of UT flags, standard flags, leap seconds, times, types, name characters.
        let utFlags: Int, standardFlags: Int, leaps: Int, times: Int, types: Int, characters: Int

        init?(_ bytes: [UInt8], at start: Int) {
            guard bytes.count >= start + Self.size, bytes[start..<start + 4].elementsEqual("TZif".utf8) else { return nil }
            version = bytes[start + 4] == 0 ? 1 : Int(bytes[start + 4]) - 0x30
            let counts = (0..<6).map { Int(bytes.bigEndian(at: start + 20 + $0 * 4, count: 4)) }
            guard counts.allSatisfy({ $0 <= ZoneFile.maximumBytes }) else { return nil }
            (utFlags, standardFlags, leaps, times, types, characters) = (
                counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]
            )
            guard bytes.count >= start + Self.size + size(ofTimes: version == 1 || start == 0 ? 4 : 8) else { return nil }
        }

        func size(ofTimes width: Int) -> Int {
            times * (width + 1) + types * 6 + characters + leaps * (width + 4) + standardFlags + utFlags
        }
    }
}

extension [UInt8] {
    /// The caller has checked that the bytes are there.
    fileprivate func bigEndian(at start: Int, count: Int) -> UInt64 {
        self[start..<start + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// The last line of a zone file: a POSIX TZ string such as `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneFooter {
    private var rest: Substring.UTF8View

    /// - Returns: nil when the text is none.
    static func parse(_ text: String) -> ZoneRule? {
        var reader = ZoneFooter(rest: Substring(text).utf8)
        return reader.rule()
    }

    private mutating func rule() -> ZoneRule? {
        guard name(), let west = time() else { return nil }
        var rule = ZoneRule(standardOffset: -west, summer: nil)
        if rest.isEmpty { return rule }
        guard name() else { return nil }
        var summer = -west + 3_600
        if rest.first != UInt8(ascii: ",") {
            guard let west = time() else { return nil }
            summer = -west
        }
        guard take(","), let start = moment(), take(","), let end = moment(), rest.isEmpty else { return nil }
        rule.summer = .init(offset: summer, start: start, end: end)
        return rule
    }

    /// Letters, or anything between `<` and `>`.
    private mutating func name() -> Bool {
        if take("<") {
            guard let close = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
            rest = rest[rest.index(after: close)...]
            return true
        }
        let letters = rest.prefix { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }
        rest = rest[letters.endIndex...]
        return letters.count >= 3
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    private mutating func time() -> Int64? {
        let sign: Int64 = take("-") ? -1 : 1
        if sign == 1 { _ = take("+") }
        guard let hours = number(), hours <= 167 else { return nil }
        var seconds = hours * 3_600
        for unit: Int64 in [60, 1] {
            guard take(":") else { break }
            guard let value = number(), value < 60 else { return nil }
            seconds += value * unit
        }
        return sign * seconds
    }

    private mutating func moment() -> YearlyMoment? {
        guard let day = day() else { return nil }
        var second: Int64 = 7_200
        if take("/") {
            guard let given = time() else { return nil }
            second = given
        }
        return YearlyMoment(day: day, secondOfDay: second)
    }

    private mutating func day() -> YearlyMoment.Day? {
        if take("M") {
            guard let month = number(), (1...12).contains(month), take("."), let week = number(), (1...5).contains(week), take("."),
                let weekday = number(), weekday <= 6
            else { return nil }
            return .weekday(month: month, week: week, weekday: weekday)
        }
        if take("J") { return number().flatMap { (1...365).contains($0) ? .julian($0) : nil } }
        return number().flatMap { $0 <= 365 ? .ordinal($0) : nil }
    }

    private mutating func number() -> Int64? {
        let digits = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }
        guard !digits.isEmpty, digits.count <= 4 else { return nil }
        rest = rest[digits.endIndex...]
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let first = rest.first, UInt32(first) == character.value else { return false }
        rest = rest.dropFirst()
        return true
    }
}
