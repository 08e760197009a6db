/// Bytes of many texts, one after the other, in memory that is kept.
struct TextArena: Sendable {
    private var storage: [UInt8] = []
    private(set) var count = 0

    struct Slice: Sendable, Hashable {
        var offset: UInt32
        var count: UInt32

        init(offset: Int, count: Int) {
            self.offset = UInt32(truncatingIfNeeded: offset)
            self.count = UInt32(truncatingIfNeeded: count)
        }

        init(packed: UInt64) {
            offset = UInt32(truncatingIfNeeded: packed >> 32)
            count = UInt32(truncatingIfNeeded: packed)
        }

        var packed: UInt64 { UInt64(offset) << 32 | UInt64(count) }
    }

    var reservedBytes: Int { storage.capacity }

    mutating func removeAll() { count = 0 }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Slice {
        let slice = Slice(offset: count, count: bytes.count)
        if bytes.isEmpty { return slice }
        if storage.count - count < bytes.count { grow(by: bytes.count) }
        storage.withUnsafeMutableBytes { memory in
            if let source = bytes.baseAddress, let target = memory.baseAddress {
                (target + count).copyMemory(from: source, byteCount: bytes.count)
            }
        }
        count += bytes.count
        return slice
    }

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
