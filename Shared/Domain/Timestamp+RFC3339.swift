// RFC 3339 without Foundation. Calendar arithmetic: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013).

extension Timestamp {
    /// `2026-01-02T03:04:05Z`, with 3 or 6 digits of fraction when there is one. Outside the years 1 to 9999, where RFC 3339
    /// has no form, the plain number of microseconds.
    public var rfc3339: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(27)
        appendRFC3339(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends what `rfc3339` returns.
    public func appendRFC3339(to bytes: inout [UInt8]) {
        guard isRepresentable else {
            bytes.append(contentsOf: String(microseconds).utf8)
            return
        }
        let (days, timeOfDay) = floorDivision(microseconds, 86_400_000_000)
        let (year, month, day) = civil(fromDays: days)
        let (seconds, fraction) = (timeOfDay / 1_000_000, timeOfDay % 1_000_000)
        appendDigits(year, 4, to: &bytes)
        for (mark, value) in [
            (UInt8(ascii: "-"), month), (UInt8(ascii: "-"), day), (UInt8(ascii: "T"), seconds / 3_600),
            (UInt8(ascii: ":"), seconds / 60 % 60),
            (UInt8(ascii: ":"), seconds % 60),
        ] {
            bytes.append(mark)
            appendDigits(value, 2, to: &bytes)
        }
        if fraction != 0 {
            bytes.append(UInt8(ascii: "."))
            if fraction % 1_000 == 0 { appendDigits(fraction / 1_000, 3, to: &bytes) } else { appendDigits(fraction, 6, to: &bytes) }
        }
        bytes.append(UInt8(ascii: "Z"))
    }

    /// - Throws: `DomainError` with code `invalidFormat`, field `time`.
    public init(rfc3339 text: String) throws(DomainError) {
        var text = text
        guard let parsed = text.withUTF8({ Timestamp.parseRFC3339(UnsafeRawBufferPointer($0)) }) else {
            throw DomainError(
                .invalidFormat, field: "time", reason: "not a time of RFC 3339 (2026-01-02T03:04:05.678Z): \(text.prefix(64))")
        }
        self = parsed
    }

    /// Parses a whole RFC 3339 time: `T`, `t` or a space between date and time, `Z`, `z` or an offset at the end. Digits of the
    /// fraction beyond the sixth are cut off. A leap second (`:60`) counts as the second after it.
    /// - Returns: nil when it is none, or lies outside the years 1 to 9999.
    public static func parseRFC3339(_ bytes: UnsafeRawBufferPointer) -> Timestamp? {
        guard bytes.count >= 20 && bytes.count <= 64 else { return nil }
        guard let year = digits(bytes, 0, 4), bytes[4] == UInt8(ascii: "-"), let month = digits(bytes, 5, 2), bytes[7] == UInt8(ascii: "-"),
            let day = digits(bytes, 8, 2),
            bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t") || bytes[10] == UInt8(ascii: " "),
            let hour = digits(bytes, 11, 2), bytes[13] == UInt8(ascii: ":"), let minute = digits(bytes, 14, 2),
            bytes[16] == UInt8(ascii: ":"),
            let second = digits(bytes, 17, 2), year >= 1, (1...12).contains(month), day >= 1, day <= daysInMonth(year, month), hour < 24,
            minute < 60, second <= 60
        else { return nil }
        var index = 19
        guard let fraction = parseFraction(bytes, &index), let offset = parseOffset(bytes, &index), index == bytes.count else { return nil }
        let seconds = days(fromYear: year, month, day) * 86_400 + (hour * 60 + minute) * 60 + second - offset
        let result = Timestamp(microseconds: seconds * 1_000_000 + fraction)
        return result.isRepresentable ? result : nil
    }
}

/// Microseconds of `.123`, 0 when there is no fraction; nil when a point stands without digits.
private func parseFraction(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> Int64? {
    guard index < bytes.count, bytes[index] == UInt8(ascii: ".") else { return 0 }
    index += 1
    let start = index
    var fraction: Int64 = 0
    while index < bytes.count, let digit = digits(bytes, index, 1) {
        if index - start < 6 { fraction = fraction * 10 + digit }
        index += 1
    }
    guard index > start else { return nil }
    for _ in min(6, index - start)..<6 { fraction *= 10 }
    return fraction
}

/// Seconds east of UTC.
private func parseOffset(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> Int64? {
    guard index < bytes.count else { return nil }
    let sign = bytes[index]
    index += 1
    if sign == UInt8(ascii: "Z") || sign == UInt8(ascii: "z") { return 0 }
    guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), bytes.count - index >= 5, let hours = digits(bytes, index, 2),
        bytes[index + 2] == UInt8(ascii: ":"), let minutes = digits(bytes, index + 3, 2), hours < 24, minutes < 60
    else { return nil }
    index += 5
    let seconds = (hours * 60 + minutes) * 60
    return sign == UInt8(ascii: "-") ? -seconds : seconds
}

/// The caller has checked that `count` bytes are there.
private func digits(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64? {
    var value: Int64 = 0
    for index in start..<start + count {
        let digit = bytes[index] &- UInt8(ascii: "0")
        guard digit <= 9 else { return nil }
        value = value * 10 + Int64(digit)
    }
    return value
}

private func appendDigits(_ value: Int64, _ width: Int, to bytes: inout [UInt8]) {
    var divisor: Int64 = 1
    for _ in 1..<width { divisor *= 10 }
    while divisor > 0 {
        bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
        divisor /= 10
    }
}

private func floorDivision(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

private func daysInMonth(_ year: Int64, _ month: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, year ≥ 1.
private func days(fromYear year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted % 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
}

private func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = floorDivision(days + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
}
