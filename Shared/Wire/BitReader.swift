/// Reads bits, most significant bit first, from `start` on. Never reads past the end.
struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    private var next: Int
    private var window: UInt64 = 0
    private var windowBits = 0
    let field: StaticString

    init(_ reader: ByteReader, _ field: StaticString) {
        bytes = reader.bytes
        next = reader.position
        self.field = field
    }

    /// Offset of the first byte of which no bit was read.
    var end: Int { next - windowBits / 8 }

    func error(_ code: WireError.Code) -> WireError { WireError(code, offset: end, field: field.description) }

    /// At most 57 bits are in the window: a byte more always fits.
    @inline(__always)
    private mutating func fill(_ count: Int) throws(WireError) {
        while windowBits < count {
            guard next < bytes.count else { throw error(.truncated) }
            window = window << 8 | UInt64(bytes[next])
            next += 1
            windowBits += 8
        }
    }

    /// 0 ≤ count ≤ 64.
    @inline(__always)
    mutating func read(_ count: Int) throws(WireError) -> UInt64 {
        if count > 32 {
            let high = try readShort(count - 32)
            return high << 32 | (try readShort(32))
        }
        return try readShort(count)
    }

    @inline(__always)
    private mutating func readShort(_ count: Int) throws(WireError) -> UInt64 {
        try fill(count)
        windowBits -= count
        return (window >> UInt64(windowBits)) & ((1 << UInt64(count)) - 1)
    }

    @inline(__always)
    mutating func bit() throws(WireError) -> Bool { try readShort(1) == 1 }

    /// The signed code of FORMAT.md.
    @inline(__always)
    mutating func signed() throws(WireError) -> Int64 {
        if try !bit() { return 0 }
        if try !bit() { return zigzagDecoded(try readShort(4)) }
        if try !bit() { return zigzagDecoded(try readShort(8)) }
        if try !bit() { return zigzagDecoded(try readShort(16)) }
        return zigzagDecoded(try read(try bit() ? 64 : 32))
    }
}
