/// Appends bits to bytes, most significant bit first; `finish` fills the last byte with zeros.
struct BitWriter {
    private var pending: UInt64 = 0
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

    /// At most 32 bits; fewer than eight are pending before.
    @inline(__always)
    private mutating func writeShort(_ value: UInt64, _ count: Int, to bytes: inout ByteWriter) {
        pending = (pending << UInt64(count)) | (value & ((1 << UInt64(count)) - 1))
        pendingBits += count
        while pendingBits >= 8 {
            pendingBits -= 8
            bytes.byte(UInt8(truncatingIfNeeded: pending >> UInt64(pendingBits)))
        }
    }

    /// The signed code of FORMAT.md: zig-zag, then 1, 6, 11, 20, 37 or 69 bits by size.
    @inline(__always)
    mutating func signed(_ value: Int64, to bytes: inout ByteWriter) {
        let code = zigzagEncoded(value)
        switch code {
        case 0: write(0b0, 1, to: &bytes)
        case ..<(1 << 4): write(0b10 << 4 | code, 6, to: &bytes)
        case ..<(1 << 8): write(0b110 << 8 | code, 11, to: &bytes)
        case ..<(1 << 16): write(0b1110 << 16 | code, 20, to: &bytes)
        case ..<(1 << 32): write(0b11110 << 32 | code, 37, to: &bytes)
        default:
            write(0b11111, 5, to: &bytes)
            write(code, 64, to: &bytes)
        }
    }

    mutating func finish(_ bytes: inout ByteWriter) {
        if pendingBits > 0 { writeShort(0, 8 - pendingBits, to: &bytes) }
    }
}
