internal import Domain

/// Numbers byte strings from 0 in order of first sight. Open addressing over one arena: no allocation once it has grown.
struct ByteKeyTable {
    private struct Entry {
        var hash: UInt64
        var offset: Int32
        var length: Int32
    }

    /// Number of the key plus one; 0 is free. A power of two long, at most half full.
    private var slots: [UInt32]
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []

    init(minimumCapacity: Int = 16) {
        var size = 16
        while size < 2 * minimumCapacity { size *= 2 }
        slots = [UInt32](repeating: 0, count: size)
    }

    var count: Int { entries.count }

    /// Forgets the keys, keeps the memory.
    mutating func removeAll() {
        guard !entries.isEmpty else { return }
        entries.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
        slots.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }

    func find(_ key: UnsafeRawBufferPointer) -> Int? {
        let slot = slots[position(of: key, hash: ByteHash.ofProcess(key))]
        return slot == 0 ? nil : Int(slot) - 1
    }

    /// - Returns: the key's number, and whether it was given now.
    mutating func intern(_ key: UnsafeRawBufferPointer) -> (number: Int, isNew: Bool) {
        let hash = ByteHash.ofProcess(key)
        let position = position(of: key, hash: hash)
        if slots[position] != 0 { return (Int(slots[position]) - 1, false) }
        entries.append(Entry(hash: hash, offset: Int32(bytes.count), length: Int32(key.count)))
        bytes.append(contentsOf: key)
        slots[position] = UInt32(entries.count)
        if 2 * entries.count > slots.count { grow() }
        return (entries.count - 1, true)
    }

    func withKey<R>(_ number: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        let entry = entries[number]
        return try bytes.withUnsafeBytes { bytes in
            try body(UnsafeRawBufferPointer(rebasing: bytes[Int(entry.offset)..<Int(entry.offset + entry.length)]))
        }
    }

    /// The slot that holds the key, or the free one where it belongs.
    private func position(of key: UnsafeRawBufferPointer, hash: UInt64) -> Int {
        let mask = slots.count - 1
        var position = Int(truncatingIfNeeded: hash) & mask
        while slots[position] != 0 {
            let entry = entries[Int(slots[position]) - 1]
            if entry.hash == hash, Int(entry.length) == key.count, equals(entry, key) { return position }
            position = (position + 1) & mask
        }
        return position
    }

    private func equals(_ entry: Entry, _ key: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { $0[Int(entry.offset)..<Int(entry.offset + entry.length)].elementsEqual(key) }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: 2 * slots.count)
        let mask = slots.count - 1
        for (number, entry) in entries.enumerated() {
            var position = Int(truncatingIfNeeded: entry.hash) & mask
            while slots[position] != 0 { position = (position + 1) & mask }
            slots[position] = UInt32(number + 1)
        }
    }
}
