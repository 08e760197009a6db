/// Doubles that are short decimals (21.5, 1013.25, -0.001), as sensors send them: mantissa / 10^exponent. Exact: a double
/// takes this form only when dividing gives back its very bits, which leaves out -0.0, NaN, infinities and long fractions.
enum DecimalDouble {
    static let maximumExponent = 7
    /// Beyond it the raw eight bytes are not longer: a zig-zag varint of 2^48 takes seven.
    static let singleMantissaLimit = Int64(1) << 48
    /// Beyond it not every integer is a double.
    static let columnMantissaLimit = Int64(1) << 53

    /// 10^exponent, 0 ≤ exponent ≤ 7.
    @inline(__always)
    static func power(_ exponent: Int) -> Double {
        switch exponent {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1_000
        case 4: 10_000
        case 5: 100_000
        case 6: 1_000_000
        default: 10_000_000
        }
    }

    /// The mantissa for this exponent; nil when the value has none below `limit`.
    @inline(__always)
    static func mantissa(_ value: Double, exponent: Int, limit: Int64) -> Int64? {
        guard let mantissa = nearestMantissa(value, exponent: exponent, limit: limit) else { return nil }
        return (Double(mantissa) / power(exponent)).bitPattern == value.bitPattern ? mantissa : nil
    }

    /// Value × 10^exponent, rounded; nil when that is not below `limit`.
    @inline(__always)
    static func nearestMantissa(_ value: Double, exponent: Int, limit: Int64) -> Int64? {
        let scaled = value * power(exponent)
        // False for NaN too.
        guard scaled.magnitude < Double(limit) else { return nil }
        let mantissa = Int64(scaled + (scaled < 0 ? -0.5 : 0.5))
        return mantissa.magnitude < limit.magnitude ? mantissa : nil
    }

    /// The form with the smallest exponent; nil when there is none that is shorter than eight bytes.
    @inline(__always)
    static func shortest(_ value: Double) -> (mantissa: Int64, exponent: Int)? {
        let limit = Double(singleMantissaLimit)
        guard value.magnitude < limit else { return nil }
        for exponent in 0...maximumExponent {
            let power = power(exponent)
            // Added and taken away, it leaves the nearest integer: beyond 2^52 doubles have no fractions. A half may go the other
            // way than in `nearestMantissa`, but a half is no mantissa.
            let rounded = (value * power + Self.rounding) - Self.rounding
            if (exponent == 0 ? rounded : rounded / power).bitPattern == value.bitPattern {
                // Of a larger exponent it would be longer still.
                return rounded.magnitude < limit ? (Int64(rounded), exponent) : nil
            }
        }
        return nil
    }

    /// 1.5 × 2^52.
    private static let rounding = 0x1.8p52

    @inline(__always)
    static func value(mantissa: Int64, exponent: Int) -> Double { Double(mantissa) / power(exponent) }
}
