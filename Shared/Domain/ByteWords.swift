/// Looks at bytes eight at a time: ids and names are checked for every message.
@usableFromInline enum ByteWords {
    @inlinable static var topBits: UInt64 { 0x8080_8080_8080_8080 }
    @inlinable static var ones: UInt64 { 0x0101_0101_0101_0101 }

    /// Whether no byte is outside. `outside` sets the top bit of each byte that is; a byte above 0x7F may disturb the ones above
    /// it, so it must be outside itself.
    @inlinable @inline(__always)
    static func none(_ bytes: UnsafeRawBufferPointer, _ outside: (UInt64) -> UInt64) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return true }
        let count = bytes.count
        var found: UInt64
        if count >= 8 {
            // The last word overlaps the one before.
            found = outside(start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
            var index = 0
            while index < count - 8 {
                found |= outside(start.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                index += 8
            }
        } else if count >= 4 {
            let low = start.loadUnaligned(as: UInt32.self)
            let high = start.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
            found = outside(UInt64(high) << 32 | UInt64(low))
        } else {
            let (first, middle, last) = (bytes[0], bytes[count / 2], bytes[count - 1])
            found = outside(UInt64(first) &* ones) | outside(UInt64(middle) &* ones) | outside(UInt64(last) &* ones)
        }
        return found & topBits == 0
    }

    /// Sets the top bit of each byte that is within `low ... high`, for bytes below 0x80.
    @inlinable @inline(__always)
    static func within(_ word: UInt64, _ low: UInt8, _ high: UInt8) -> UInt64 {
        (word &+ UInt64(0x80 - low) &* ones) & ~(word &+ UInt64(0x7F - high) &* ones)
    }
}
