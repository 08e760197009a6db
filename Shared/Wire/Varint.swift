/// LEB128 of up to eight bytes in one word: seven bits a byte, least significant first.
enum Varint {
    /// The bit that says that a byte follows, of each byte.
    static let continuations: UInt64 = 0x8080_8080_8080_8080

    /// The seven low bits of each byte, pushed together: pairs, quadruples, halves.
    @inline(__always)
    static func packed(_ word: UInt64) -> UInt64 {
        var value = word & ~continuations
        value = value & 0x007F_007F_007F_007F | (value & 0x7F00_7F00_7F00_7F00) >> 1
        value = value & 0x0000_3FFF_0000_3FFF | (value & 0x3FFF_0000_3FFF_0000) >> 2
        return value & 0x0FFF_FFFF | (value & 0x0FFF_FFFF_0000_0000) >> 4
    }

    /// The other way round, for values below 2^56.
    @inline(__always)
    static func spread(_ value: UInt64) -> UInt64 {
        var word = value & 0x0FFF_FFFF | (value & 0x00FF_FFFF_F000_0000) << 4
        word = word & 0x0000_3FFF_0000_3FFF | (word & 0x0FFF_C000_0FFF_C000) << 2
        return word & 0x007F_007F_007F_007F | (word & 0x3F80_3F80_3F80_3F80) << 1
    }

    /// Bytes that a value takes, 1 to 10.
    @inline(__always)
    static func length(_ value: UInt64) -> Int { (9 &* (64 &- (value | 1).leadingZeroBitCount) &+ 64) &>> 6 }
}
