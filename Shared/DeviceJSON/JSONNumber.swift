internal import Glibc

/// A number as it stands in the document: ± mantissa × 10^exponent, exact unless digits beyond the 19th were cut.
struct JSONNumber {
    var mantissa: UInt64 = 0
    var exponent: Int32 = 0
    var negative = false
    /// Digits other than 0 were cut off below the mantissa.
    var truncated = false
    /// Written without fraction and exponent.
    var integral = false

    static let maximumCharacters = 1_024

    /// The value when it was written as an integer and fits.
    @inline(__always)
    var int64: Int64? {
        guard integral, exponent == 0, !truncated else { return nil }
        if negative { return mantissa <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- mantissa) : nil }
        return Int64(exactly: mantissa)
    }

    /// The nearest double when one correctly rounded operation gives it (Clinger, PLDI 1990: both factors are exact).
    @inline(__always)
    var fastDouble: Double? {
        guard !truncated, mantissa <= 1 << 53, exponent >= -22, exponent <= 22 else { return nil }
        let magnitude = Double(mantissa)
        let scaled = exponent < 0 ? magnitude / Self.power(of: -exponent) : magnitude * Self.power(of: exponent)
        return negative ? -scaled : scaled
    }

    @inline(__always)
    private static func power(of exponent: Int32) -> Double {
        powersOfTen.withUnsafeBufferPointer { $0[Int(exponent)] }
    }

    /// ± mantissa × 10^(exponent + shift), towards zero, saturating.
    func scaled(by shift: Int32) -> Int64 {
        var value = mantissa
        var remaining = Int(exponent) + Int(shift)
        if value == 0 { return 0 }
        while remaining < 0 && value > 0 {
            value /= 10
            remaining += 1
        }
        while remaining > 0 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow {
                value = .max
                break
            }
            value = product
            remaining -= 1
        }
        let magnitude = Int64(clamping: value)
        return negative ? -magnitude : magnitude
    }
}

private let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]

extension JSONScanner {
    /// Stands at the sign or the first digit.
    mutating func readNumber() throws(DeviceJSONError) -> JSONNumber {
        var reader = NumberReader(bytes: bytes, index: index)
        let number = try reader.read()
        guard reader.index - index <= JSONNumber.maximumCharacters else {
            throw DeviceJSONError(.numberTooLong, "more than \(JSONNumber.maximumCharacters) characters", at: index)
        }
        advance(to: reader.index)
        return number
    }

    /// The correctly rounded double of a number that `value` holds.
    func double(_ value: JSONValue) throws(DeviceJSONError) -> Double {
        if let fast = value.number.fastDouble { return fast }
        let text = text(value.text)
        // strtod needs a terminated string; the length was bounded when the number was read. The process keeps the "C" locale.
        let result = withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
            for index in text.indices { copy[index] = CChar(bitPattern: text[index]) }
            copy[text.count] = 0
            return copy.baseAddress.map { strtod($0, nil) } ?? .nan
        }
        guard result.isFinite else { throw DeviceJSONError(.numberOutOfRange, "value", at: Int(value.offset)) }
        return result
    }
}

/// The grammar of RFC 8259, section 6.
struct NumberReader {
    let bytes: UnsafeRawBufferPointer
    var index: Int
    private var number = JSONNumber()
    private var digits = 0

    init(bytes: UnsafeRawBufferPointer, index: Int) {
        self.bytes = bytes
        self.index = index
    }

    @inline(__always)
    private var digit: UInt8 { index < bytes.count ? bytes[index] &- UInt8(ascii: "0") : 255 }

    mutating func read() throws(DeviceJSONError) -> JSONNumber {
        number.integral = true
        if index < bytes.count, bytes[index] == UInt8(ascii: "-") {
            number.negative = true
            index += 1
        }
        let leading = digit
        guard leading <= 9 else { throw malformed("expected a digit") }
        if leading == 0 {
            index += 1
            guard digit > 9 else { throw malformed("number with a leading zero") }
        } else {
            readDigits(fraction: false)
        }
        if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
            index += 1
            number.integral = false
            guard digit <= 9 else { throw malformed("expected a digit after '.'") }
            readDigits(fraction: true)
        }
        if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") { try readExponent() }
        return number
    }

    @inline(__always)
    private mutating func readDigits(fraction: Bool) {
        while digit <= 9 {
            if digits < 19 {
                number.mantissa = number.mantissa &* 10 &+ UInt64(digit)
                if number.mantissa != 0 { digits += 1 }
                if fraction { number.exponent -= 1 }
            } else {
                if digit != 0 { number.truncated = true }
                if !fraction { number.exponent += 1 }
            }
            index += 1
        }
    }

    private mutating func readExponent() throws(DeviceJSONError) {
        number.integral = false
        index += 1
        var negative = false
        if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") {
            negative = bytes[index] == UInt8(ascii: "-")
            index += 1
        }
        guard digit <= 9 else { throw malformed("expected a digit in the exponent") }
        var exponent: Int32 = 0
        while digit <= 9 {
            if exponent < 100_000 { exponent = exponent * 10 + Int32(digit) }
            index += 1
        }
        number.exponent += negative ? -exponent : exponent
    }

    private func malformed(_ what: String) -> DeviceJSONError { DeviceJSONError(.jsonMalformed, what, at: index) }
}
