/// Writes a message whose greatest size is known beforehand, into memory that has that size: nothing is checked on the way.
/// `WireBuffer.replaceShort` checks at the end.
struct ShortWriter {
    /// A number may be written as a whole word: so far it may write behind what it has written.
    static var slack: Int { 8 }

    private(set) var next: UnsafeMutableRawPointer

    init(_ start: UnsafeMutableRawPointer) { next = start }

    @inline(__always)
    mutating func byte(_ value: UInt8) {
        next.storeBytes(of: value, as: UInt8.self)
        next += 1
    }

    @inline(__always)
    mutating func fixed64(_ value: UInt64) {
        next.storeBytes(of: value.littleEndian, as: UInt64.self)
        next += 8
    }

    @inline(__always)
    mutating func header(_ schema: MessageSchema, flags: UInt8) {
        next.storeBytes(of: (schema.word | UInt32(flags) &<< 24).littleEndian, as: UInt32.self)
        next += 4
    }

    @inline(__always)
    mutating func varint(_ value: UInt64) {
        if value < 0x80 { return byte(UInt8(truncatingIfNeeded: value)) }
        guard value < 1 << 56 else {
            next = Self.writeLong(value, next)
            return
        }
        let length = Varint.length(value)
        let followed = Varint.continuations & ((1 &<< UInt64(8 &* (length &- 1))) &- 1)
        next.storeBytes(of: (Varint.spread(value) | followed).littleEndian, as: UInt64.self)
        next += length
    }

    /// Knows no writer, so that the cursor of who calls it can stay in a register.
    /// - Returns: Where the number ends.
    @inline(never)
    private static func writeLong(_ value: UInt64, _ start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        var (rest, next) = (value, start)
        while rest >= 0x80 {
            next.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
            next += 1
            rest >>= 7
        }
        next.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
        return next + 1
    }

    @inline(__always)
    mutating func zigzag(_ value: Int64) { varint(zigzagEncoded(value)) }

    /// Varint length, then the bytes of a slice that lies within `text`; shorter than 2^14.
    @inline(__always)
    mutating func sized(_ text: UnsafeRawBufferPointer, _ slice: TextArena.Slice) {
        guard let source = text.baseAddress else { return byte(0) }
        let count = Int(slice.count)
        if count < 0x80 {
            byte(UInt8(truncatingIfNeeded: count))
        } else {
            byte(UInt8(truncatingIfNeeded: count) | 0x80)
            byte(UInt8(truncatingIfNeeded: count &>> 7))
        }
        next.copyText(from: source + Int(slice.offset), count: count)
        next += count
    }
}
