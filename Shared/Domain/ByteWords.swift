/// Looks at bytes sixteen at a time: ids and names are checked for every message.
@usableFromInline enum ByteWords {
    @usableFromInline typealias Word = SIMD16<UInt8>
    @usableFromInline typealias Mask = SIMDMask<SIMD16<Int8>>

    /// Whether `isOutside` holds for none of the bytes.
    @inlinable @inline(__always)
    static func none(_ bytes: UnsafeRawBufferPointer, _ isOutside: (Word) -> Mask) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return true }
        let count = bytes.count
        guard count > 16 else { return isEmpty(isOutside(short(start, count))) }
        // The last word overlaps the one before.
        var found = isOutside(start.loadUnaligned(fromByteOffset: count - 16, as: Word.self))
        var index = 0
        while index < count - 16 {
            found .|= isOutside(start.loadUnaligned(fromByteOffset: index, as: Word.self))
            index += 16
        }
        return isEmpty(found)
    }

    /// A word of 1 to 16 bytes and of nothing else; some stand in it more than once.
    @inlinable @inline(__always)
    static func short(_ start: UnsafeRawPointer, _ count: Int) -> Word {
        if count >= 8 {
            return word(start.loadUnaligned(as: UInt64.self), start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
        }
        var half: UInt64
        if count >= 4 {
            half = UInt64(start.loadUnaligned(as: UInt32.self)) << 32
            half |= UInt64(start.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
        } else {
            let last = UInt64(start.load(fromByteOffset: count - 1, as: UInt8.self))
            half = UInt64(start.load(as: UInt8.self)) | UInt64(start.load(fromByteOffset: count / 2, as: UInt8.self)) << 8
            half |= last << 16 | last << 24
            half |= half << 32
        }
        return word(half, half)
    }

    @inlinable @inline(__always)
    static func word(_ first: UInt64, _ second: UInt64) -> Word {
        // Both are sixteen bytes, and any bits are a value of either.
        unsafeBitCast(SIMD2(first, second), to: Word.self)
    }

    /// `!any(mask)`, which would look at one byte after the other.
    @inlinable @inline(__always)
    static func isEmpty(_ mask: Mask) -> Bool {
        // A mask is sixteen bytes, each of no ones or of ones only.
        let halves = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
        return halves.x | halves.y == 0
    }

    /// Which bytes lie within `low ... high`.
    @inlinable @inline(__always)
    static func within(_ word: Word, _ low: UInt8, _ high: UInt8) -> Mask {
        (word &- Word(repeating: low)) .<= Word(repeating: high - low)
    }
}
