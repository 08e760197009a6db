/// Writes into memory that was made large enough before: each message knows an upper bound of its size. Running over that
/// bound is a mistake of this module, and traps.
struct ByteWriter {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var position = 0

    init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    /// Forgets what was written from `position` on.
    mutating func rewind(to position: Int) { self.position = min(position, self.position) }

    @inline(__always)
    private func reserve(_ count: Int) { precondition(memory.count - position >= count, "the bound of the message's size was too small") }

    @inline(__always)
    mutating func byte(_ value: UInt8) {
        reserve(1)
        memory[position] = value
        position += 1
    }

    @inline(__always)
    mutating func fixed64(_ value: UInt64) {
        reserve(8)
        memory.storeBytes(of: value.littleEndian, toByteOffset: position, as: UInt64.self)
        position += 8
    }

    @inline(__always)
    mutating func bigEndian32(_ value: UInt32) {
        reserve(4)
        memory.storeBytes(of: value.bigEndian, toByteOffset: position, as: UInt32.self)
        position += 4
    }

    @inline(__always)
    mutating func varint(_ value: UInt64) {
        reserve(10)
        if value < 0x80 {
            memory[position] = UInt8(truncatingIfNeeded: value)
            position += 1
            return
        }
        var rest = value
        while rest >= 0x80 {
            memory[position] = UInt8(truncatingIfNeeded: rest) | 0x80
            position += 1
            rest >>= 7
        }
        memory[position] = UInt8(truncatingIfNeeded: rest)
        position += 1
    }

    @inline(__always)
    mutating func zigzag(_ value: Int64) { varint(zigzagEncoded(value)) }

    @inline(__always)
    mutating func raw(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        if let source = bytes.baseAddress, let target = memory.baseAddress {
            (target + position).copyText(from: source, count: bytes.count)
        }
        position += bytes.count
    }

    /// Varint length, then the bytes.
    @inline(__always)
    mutating func sized(_ bytes: UnsafeRawBufferPointer) {
        varint(UInt64(bytes.count))
        raw(bytes)
    }

    mutating func sized(_ text: String) {
        var text = text
        text.withUTF8 { sized(UnsafeRawBufferPointer($0)) }
    }
}
