/// Writes a message whose greatest size is known beforehand, into memory that has that size: nothing is checked on the way.
/// `WireBuffer.replaceShort` checks at the end.
struct ShortWriter {
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
        let word = UInt32(WireHeader.magic) | UInt32(schema.id) << 8 | UInt32(schema.version) << 16 | UInt32(flags) << 24
        next.storeBytes(of: word.littleEndian, as: UInt32.self)
        next += 4
    }

    @inline(__always)
    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    @inline(__always)
    mutating func zigzag(_ value: Int64) { varint(zigzagEncoded(value)) }

    /// Varint length, then the bytes of a slice that lies within `text`.
    @inline(__always)
    mutating func sized(_ text: UnsafeRawBufferPointer, _ slice: TextArena.Slice) {
        varint(UInt64(slice.count))
        guard let source = text.baseAddress else { return }
        let count = Int(slice.count)
        next.copyText(from: source + Int(slice.offset), count: count)
        next += count
    }
}
