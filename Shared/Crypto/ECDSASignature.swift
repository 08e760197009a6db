/// The two writings of an ECDSA signature with P-256: two integers in DER (RFC 3279, section 2.2.3), which OpenSSL speaks, and the same
/// with 32 bytes each (RFC 7518, section 3.4).
enum ECDSASignature {
    static func der(fixed: [UInt8]) -> [UInt8] {
        let body = integer(fixed.prefix(32)) + integer(fixed.suffix(32))
        return [0x30, UInt8(body.count)] + body
    }

    /// Nil when it is not in DER or an integer does not fit.
    static func fixed(der: [UInt8]) -> [UInt8]? {
        guard der.count >= 8, der[0] == 0x30, Int(der[1]) == der.count - 2, der[1] < 0x80 else { return nil }
        var rest = der.dropFirst(2)
        guard let r = takeInteger(&rest), let s = takeInteger(&rest), rest.isEmpty else { return nil }
        return r + s
    }

    /// Without leading zeros, but with one before a set high bit: DER's integers are signed.
    private static func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
        return [0x02, UInt8(digits.count)] + digits
    }

    private static func takeInteger(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard rest.popFirst() == 0x02, let count = rest.popFirst(), count <= 33, rest.count >= count else { return nil }
        let digits = rest.prefix(Int(count)).drop { $0 == 0 }
        rest = rest.dropFirst(Int(count))
        guard digits.count <= 32 else { return nil }
        return [UInt8](repeating: 0, count: 32 - digits.count) + digits
    }
}
