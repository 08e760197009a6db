import Domain

/// A cursor over the bytes of a message. Every read checks what is left first, so that no input makes it trap; an error
/// names the field and the byte where it starts.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count &- position }

    @inline(__always)
    func error(_ code: WireError.Code, _ field: StaticString, at offset: Int? = nil) -> WireError {
        .at(offset ?? position, code, field)
    }

    @inline(__always)
    mutating func byte(_ field: StaticString) throws(WireError) -> UInt8 {
        guard position < bytes.count else { throw error(.truncated, field) }
        let value = bytes[position]
        position += 1
        return value
    }

    /// Eight bytes, little-endian.
    @inline(__always)
    mutating func fixed64(_ field: StaticString) throws(WireError) -> UInt64 {
        guard remaining >= 8 else { throw error(.truncated, field) }
        let value = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
        position += 8
        return UInt64(littleEndian: value)
    }

    /// LEB128: seven bits a byte, least significant first.
    @inline(__always)
    mutating func varint(_ field: StaticString) throws(WireError) -> UInt64 {
        guard position < bytes.count else { throw error(.truncated, field) }
        let first = bytes[position]
        if first < 0x80 {
            position += 1
            return UInt64(first)
        }
        return bytes.count >= 8 ? try wordVarint(field) : try takeLongVarint(field)
    }

    /// Takes the bits of up to eight bytes out of one word.
    @inline(__always)
    private mutating func wordVarint(_ field: StaticString) throws(WireError) -> UInt64 {
        // Near the end: the last word, with zeros for what is not there.
        let start = min(position, bytes.count &- 8)
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)) &>> UInt64(8 &* (position &- start))
        let ends = ~word & Varint.continuations
        let count = (ends.trailingZeroBitCount &+ 1) &>> 3
        if ends == 0 || count > remaining { return try takeLongVarint(field) }
        position += count
        return Varint.packed(word & (ends ^ (ends &- 1)))
    }

    @inline(__always)
    private mutating func takeLongVarint(_ field: StaticString) throws(WireError) -> UInt64 {
        let (value, end) = try longVarint(field)
        position = end
        return value
    }

    /// Changes nothing, so that the cursor of who calls it can stay in registers.
    @inline(never)
    private func longVarint(_ field: StaticString) throws(WireError) -> (value: UInt64, end: Int) {
        var value: UInt64 = 0
        for index in 0..<10 {
            guard position + index < bytes.count else { throw error(.truncated, field) }
            let next = bytes[position + index]
            if index == 9 && next > 1 { throw error(.varintTooLong, field) }
            value |= UInt64(next & 0x7F) << UInt64(7 * index)
            if next < 0x80 { return (value, position + index + 1) }
        }
        throw error(.varintTooLong, field)
    }

    @inline(__always)
    mutating func zigzag(_ field: StaticString) throws(WireError) -> Int64 { zigzagDecoded(try varint(field)) }

    @inline(__always)
    mutating func slice(_ count: Int, _ field: StaticString) throws(WireError) -> UnsafeRawBufferPointer {
        guard count >= 0 && count <= remaining else { throw error(.truncated, field) }
        let slice = UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
        position += count
        return slice
    }

    /// A varint that is at most `limit`.
    @inline(__always)
    mutating func count(limit: Int, _ field: StaticString) throws(WireError) -> Int {
        let start = position
        let value = try varint(field)
        guard value <= UInt64(limit) else { throw error(.limitExceeded, field, at: start) }
        return Int(value)
    }

    /// Varint length, then as many bytes.
    @inline(__always)
    mutating func sized(limit: Int, _ field: StaticString) throws(WireError) -> UnsafeRawBufferPointer {
        try slice(try count(limit: limit, field), field)
    }

    /// A length and text without U+0000.
    mutating func text(limit: Int, _ field: StaticString) throws(WireError) -> String {
        let start = position
        let slice = try sized(limit: limit, field)
        guard TextRule.isText(slice) else { throw error(.invalidUTF8, field, at: start) }
        return String(decoding: slice, as: UTF8.self)
    }

    /// Moves on to `offset`, where a bit stream ended.
    mutating func skip(to offset: Int) { position = max(position, min(offset, bytes.count)) }
}

@inline(__always)
func zigzagEncoded(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

@inline(__always)
func zigzagDecoded(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }
