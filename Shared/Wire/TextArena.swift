/// Bytes of many texts, one after the other, in memory that is kept.
struct TextArena: Sendable {
    private var storage: [UInt8] = []
    private(set) var count = 0

    /// One word, so that it is written and read as one.
    struct Slice: Sendable, Hashable {
        let packed: UInt64

        @inline(__always)
        init(offset: Int, count: Int) {
            packed = UInt64(UInt32(truncatingIfNeeded: offset)) << 32 | UInt64(UInt32(truncatingIfNeeded: count))
        }

        @inline(__always)
        init(packed: UInt64) { self.packed = packed }

        /// The place of bytes that a reader took last from a message that the arena holds.
        @inline(__always)
        init(_ taken: UnsafeRawBufferPointer, by reader: ByteReader) {
            self.init(offset: reader.position - taken.count, count: taken.count)
        }

        @inline(__always)
        var offset: UInt32 { UInt32(truncatingIfNeeded: packed >> 32) }
        @inline(__always)
        var count: UInt32 { UInt32(truncatingIfNeeded: packed) }
    }

    var reservedBytes: Int { storage.capacity }

    mutating func removeAll() { count = 0 }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Slice {
        let slice = Slice(offset: count, count: bytes.count)
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return slice }
        if storage.count &- count < bytes.count { grow(by: bytes.count) }
        storage.withUnsafeMutableBytes { memory in
            if let target = memory.baseAddress { (target + count).copyText(from: source, count: bytes.count) }
        }
        count &+= bytes.count
        return slice
    }

    /// Replaces the content; slices are then places in `bytes`.
    @inline(__always)
    mutating func replace(by bytes: UnsafeRawBufferPointer) {
        count = 0
        _ = append(bytes)
    }

    @inline(never)
    private mutating func grow(by needed: Int) {
        storage.append(contentsOf: [UInt8](repeating: 0, count: max(256, storage.count, needed)))
    }

    @inline(__always)
    func withBytes<R, E>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try storage.withUnsafeBufferPointer { (pointer: UnsafeBufferPointer<UInt8>) throws(E) -> R in
            try body(UnsafeRawBufferPointer(pointer))
        }
    }
}

extension UnsafeMutableRawPointer {
    /// Names have a few bytes: two overlapping words are quicker than a call.
    @inline(__always)
    func copyText(from source: UnsafeRawPointer, count: Int) {
        switch count {
        case 33...64: copyEnds(SIMD4<UInt64>.self, from: source, count)
        case 16...32: copyEnds(SIMD2<UInt64>.self, from: source, count)
        case 8..<16: copyEnds(UInt64.self, from: source, count)
        case 4..<8: copyEnds(UInt32.self, from: source, count)
        default: copyMemory(from: source, byteCount: count)
        }
    }

    @inline(__always)
    private func copyEnds<Word: BitwiseCopyable>(_ type: Word.Type, from source: UnsafeRawPointer, _ count: Int) {
        let last = count - MemoryLayout<Word>.size
        let (first, second) = (source.loadUnaligned(as: type), source.loadUnaligned(fromByteOffset: last, as: type))
        storeBytes(of: first, as: type)
        storeBytes(of: second, toByteOffset: last, as: type)
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes of a slice of the arena that these bytes are.
    @inline(__always)
    subscript(_ slice: TextArena.Slice) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[Int(slice.offset)..<Int(slice.offset) + Int(slice.count)])
    }

    /// Eight bytes at a time: names are compared for every sample that is appended.
    func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index + 8 <= count {
            guard loadUnaligned(fromByteOffset: index, as: UInt64.self) == other.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            else {
                return false
            }
            index += 8
        }
        while index < count {
            guard self[index] == other[index] else { return false }
            index += 1
        }
        return true
    }
}
