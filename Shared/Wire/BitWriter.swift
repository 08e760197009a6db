/// Appends bits to bytes, most significant bit first; `finish` fills the last byte with zeros.
struct BitWriter {
    private var pending: UInt64 = 0
    /// Fewer than 32 between writes.
    private var pendingBits = 0

    /// The low `count` bits of `value`, 0 ≤ count ≤ 64.
    @inline(__always)
    mutating func write(_ value: UInt64, _ count: Int, to bytes: inout ByteWriter) {
        if count > 32 {
            writeShort(value >> 32, count - 32, to: &bytes)
            writeShort(value, 32, to: &bytes)
        } else {
            writeShort(value, count, to: &bytes)
        }
    }

    /// At most 32 bits.
    @inline(__always)
    private mutating func writeShort(_ value: UInt64, _ count: Int, to bytes: inout ByteWriter) {
        pending = (pending &<< UInt64(count)) | (value & ((1 &<< UInt64(count)) &- 1))
        pendingBits += count
        if pendingBits >= 32 {
            pendingBits -= 32
            bytes.bigEndian32(UInt32(truncatingIfNeeded: pending &>> UInt64(pendingBits)))
        }
    }

    /// The signed code of FORMAT.md: zig-zag, then 1, 5, 9, 16, 25, 42 or 70 bits by size.
    @inline(__always)
    mutating func signed(_ value: Int64, to bytes: inout ByteWriter) {
        let code = zigzagEncoded(value)
        switch 64 - code.leadingZeroBitCount {
        case 0: write(0b0, 1, to: &bytes)
        case ...3: write(0b10 << 3 | code, 5, to: &bytes)
        case ...6: write(0b110 << 6 | code, 9, to: &bytes)
        case ...12: write(0b1110 << 12 | code, 16, to: &bytes)
        case ...20: write(0b11110 << 20 | code, 25, to: &bytes)
        case ...36: write(0b111110 << 36 | code, 42, to: &bytes)
        default:
            write(0b111111, 6, to: &bytes)
            write(code, 64, to: &bytes)
        }
    }

    /// Bits that `signed` takes.
    @inline(__always)
    static func signedLength(_ value: Int64) -> Int {
        switch 64 - zigzagEncoded(value).leadingZeroBitCount {
        case 0: 1
        case ...3: 5
        case ...6: 9
        case ...12: 16
        case ...20: 25
        case ...36: 42
        default: 70
        }
    }

    mutating func finish(_ bytes: inout ByteWriter) {
        while pendingBits > 0 {
            let shift = pendingBits - 8
            bytes.byte(UInt8(truncatingIfNeeded: shift >= 0 ? pending >> UInt64(shift) : pending << UInt64(-shift)))
            pendingBits = shift
        }
    }
}
