/// Reads bits, most significant bit first, from `start` on. Never reads past the end.
struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    /// The first byte that is not in the window.
    private var next: Int
    /// The next bits, from the top; what follows the first `windowBits` of them is no bit of the window yet.
    private var window: UInt64 = 0
    private(set) var windowBits = 0
    let field: StaticString

    init(_ reader: ByteReader, _ field: StaticString) {
        bytes = reader.bytes
        next = reader.position
        self.field = field
    }

    /// Offset of the first byte of which no bit was read.
    var end: Int { next - windowBits / 8 }

    func error(_ code: WireError.Code) -> WireError { .at(end, code, field) }

    /// Brings at least 56 bits into the window, or all that are left.
    @inline(__always)
    mutating func fill() {
        if fillWord() { return }
        while windowBits <= 56 && next < bytes.count {
            window |= UInt64(bytes[next]) &<< UInt64(56 &- windowBits)
            next &+= 1
            windowBits &+= 8
        }
    }

    /// Brings at least 56 bits into the window; near the end of the bytes it does nothing and says so.
    @inline(__always)
    mutating func fillWord() -> Bool {
        guard bytes.count &- next >= 8 else { return false }
        window |= UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: next, as: UInt64.self)) &>> UInt64(windowBits)
        let taken = (63 &- windowBits) &>> 3
        next &+= taken
        windowBits &+= 8 &* taken
        return true
    }

    /// The next bits, which the window must hold; 1 ≤ count ≤ 56.
    @inline(__always)
    func peek(_ count: Int) -> Int { Int(truncatingIfNeeded: window &>> UInt64(64 &- count)) }

    /// 0 ≤ count ≤ 64.
    @inline(__always)
    mutating func read(_ count: Int) throws(WireError) -> UInt64 {
        if count > 32 {
            let high = try readShort(count - 32)
            return high << 32 | (try readShort(32))
        }
        return try readShort(count)
    }

    /// At most 56 bits.
    @inline(__always)
    private mutating func readShort(_ count: Int) throws(WireError) -> UInt64 {
        if windowBits < count {
            fill()
            guard windowBits >= count else { throw error(.truncated) }
        }
        let value = count == 0 ? 0 : window &>> UInt64(64 - count)
        drop(count)
        return value
    }

    /// Takes bits away, which the window must hold.
    @inline(__always)
    mutating func drop(_ count: Int) {
        window = window &<< UInt64(count)
        windowBits &-= count
    }

    @inline(__always)
    mutating func bit() throws(WireError) -> Bool { try readShort(1) == 1 }

    /// The signed code of FORMAT.md: as many ones as its class, a zero (none after six), then the bits of the class.
    @inline(__always)
    mutating func signed() throws(WireError) -> Int64 {
        if windowBits < 42 { fill() }
        let ones = (~window).leadingZeroBitCount
        if ones >= 6 {
            let (value, rest) = try longSigned()
            self = rest
            return value
        }
        // Bits of the classes 0 to 5, one a byte: data that jumps between classes costs no mispredicted branches.
        let width = Int(truncatingIfNeeded: 0x2414_0C06_0300 &>> UInt64(8 &* ones)) & 0xFF
        guard windowBits >= ones &+ 1 &+ width else { throw error(.truncated) }
        let code = ((window &<< UInt64(ones &+ 1)) &>> 1) &>> UInt64(63 &- width)
        drop(ones &+ 1 &+ width)
        return zigzagDecoded(code)
    }

    /// Changes nothing, so that the window of who calls it can stay in registers.
    @inline(never)
    private func longSigned() throws(WireError) -> (Int64, rest: BitReader) {
        guard windowBits >= 6 else { throw error(.truncated) }
        var rest = self
        rest.drop(6)
        let code = try rest.read(64)
        return (zigzagDecoded(code), rest)
    }

    /// Takes zeros away, at most `limit`, and says how many there were.
    @inline(__always)
    mutating func zeros(limit: Int) -> Int {
        if windowBits < 42 { fill() }
        let count = min(window.leadingZeroBitCount, windowBits, limit)
        window = count == 64 ? 0 : window &<< UInt64(count)
        windowBits &-= count
        return count
    }
}
