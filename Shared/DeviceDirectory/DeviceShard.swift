internal import Domain
internal import Wire

/// One part of the directory's devices: a table by the bytes of their ids. Open addressing over one arena; a device takes 24 bytes, its
/// id and a slot of four, each of them at most doubled.
///
/// A pure value; whoever owns it keeps readers and the writer apart.
struct DeviceShard {
    struct Device {
        var revision: Int64
        var lifecycle: DeviceRecord.Lifecycle
        /// A number of `TypeRoster`.
        var type: UInt32
        /// The reading of the topic that last spoke of it.
        var round: UInt8
    }

    enum Change {
        case added
        case replaced(Device)
        /// What is known is newer.
        case kept
    }

    private struct Entry {
        var revision: Int64
        var id: UInt32
        var hash: UInt32
        var type: UInt32
        var idBytes: UInt8
        var lifecycle: DeviceRecord.Lifecycle
        var round: UInt8
    }

    /// Index of the entry plus one; 0 is free. A power of two long, at most half full.
    private var slots = [UInt32](repeating: 0, count: 16)
    private var entries: [Entry] = []
    private var ids: [UInt8] = []
    /// Bytes of `ids` that belong to no entry any more.
    private var deadBytes = 0

    var count: Int { entries.count }

    var reservedBytes: Int {
        slots.capacity * MemoryLayout<UInt32>.stride + entries.capacity * MemoryLayout<Entry>.stride + ids.capacity
    }

    /// - Parameter hash: the same for the same id in every call.
    @inline(__always)
    func find(_ id: UnsafeRawBufferPointer, hash: UInt64) -> Device? {
        guard let index = index(id, hash: UInt32(truncatingIfNeeded: hash)) else { return nil }
        return device(at: index)
    }

    @inline(__always)
    private func device(at index: Int) -> Device {
        let entry = entries[index]
        return Device(revision: entry.revision, lifecycle: entry.lifecycle, type: entry.type, round: entry.round)
    }

    /// Replaces what is known of the device, unless `isOld` says no of it.
    mutating func set(_ id: UnsafeRawBufferPointer, hash: UInt64, to device: Device, ifOver isOld: (Device) -> Bool) -> Change {
        let hash = UInt32(truncatingIfNeeded: hash)
        if let index = index(id, hash: hash) {
            let before = self.device(at: index)
            guard isOld(before) else { return .kept }
            entries[index].revision = device.revision
            entries[index].lifecycle = device.lifecycle
            entries[index].type = device.type
            entries[index].round = device.round
            return .replaced(before)
        }
        entries.append(
            Entry(
                revision: device.revision, id: UInt32(ids.count), hash: hash, type: device.type, idBytes: UInt8(id.count),
                lifecycle: device.lifecycle, round: device.round))
        ids.append(contentsOf: id)
        if 2 * entries.count > slots.count { resize(to: 2 * slots.count) } else { place(entries.count - 1) }
        return .added
    }

    /// - Returns: what was known of the device.
    @discardableResult
    mutating func remove(_ id: UnsafeRawBufferPointer, hash: UInt64) -> Device? {
        guard let index = index(id, hash: UInt32(truncatingIfNeeded: hash)) else { return nil }
        defer { remove(at: index) }
        return device(at: index)
    }

    /// Removes the devices that `isStale` picks; for each it is called once.
    mutating func removeAll(where isStale: (Device) -> Bool) {
        // Backwards: the last entry takes the place of a removed one.
        for index in entries.indices.reversed() {
            if isStale(device(at: index)) { remove(at: index) }
        }
    }

    // MARK: Slots

    @inline(__always)
    private func index(_ id: UnsafeRawBufferPointer, hash: UInt32) -> Int? {
        slots.withUnsafeBufferPointer { slots in
            let mask = slots.count - 1
            var position = Int(hash) & mask
            while slots[position] != 0 {
                let index = Int(slots[position]) - 1
                if entries[index].hash == hash, isEqual(entries[index], id) { return index }
                position = (position + 1) & mask
            }
            return nil
        }
    }

    @inline(__always)
    private func isEqual(_ entry: Entry, _ id: UnsafeRawBufferPointer) -> Bool {
        guard Int(entry.idBytes) == id.count else { return false }
        return ids.withUnsafeBytes { ids in
            let start = Int(entry.id)
            var offset = 0
            while offset + 8 <= id.count {
                let left = ids.loadUnaligned(fromByteOffset: start + offset, as: UInt64.self)
                guard left == id.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
                offset += 8
            }
            while offset < id.count {
                guard ids[start + offset] == id[offset] else { return false }
                offset += 1
            }
            return true
        }
    }

    /// Gives the entry the first free slot from its own on.
    private mutating func place(_ index: Int) {
        let mask = slots.count - 1
        var position = Int(entries[index].hash) & mask
        while slots[position] != 0 { position = (position + 1) & mask }
        slots[position] = UInt32(index + 1)
    }

    private func slot(of index: Int) -> Int {
        let mask = slots.count - 1
        var position = Int(entries[index].hash) & mask
        while slots[position] != UInt32(index + 1) { position = (position + 1) & mask }
        return position
    }

    private mutating func resize(to size: Int) {
        slots = [UInt32](repeating: 0, count: size)
        for index in entries.indices { place(index) }
    }

    private mutating func remove(at index: Int) {
        free(slot(of: index))
        deadBytes += Int(entries[index].idBytes)
        let last = entries.count - 1
        if index < last {
            slots[slot(of: last)] = UInt32(index + 1)
            entries[index] = entries[last]
        }
        entries.removeLast()
        if deadBytes > 4_096, 2 * deadBytes > ids.count { compact() }
    }

    /// Empties a slot and moves up those behind it that had to go past it.
    private mutating func free(_ freed: Int) {
        let mask = slots.count - 1
        var hole = freed
        var position = freed
        slots[hole] = 0
        while true {
            position = (position + 1) & mask
            guard slots[position] != 0 else { return }
            let home = Int(entries[Int(slots[position]) - 1].hash) & mask
            // It may move up when its own slot is not between the hole and where it is.
            if (position - home) & mask >= (position - hole) & mask {
                slots[hole] = slots[position]
                slots[position] = 0
                hole = position
            }
        }
    }

    /// Gives back the memory of what is gone.
    private mutating func compact() {
        var kept: [UInt8] = []
        kept.reserveCapacity(ids.count - deadBytes)
        for index in entries.indices {
            let start = Int(entries[index].id)
            entries[index].id = UInt32(kept.count)
            kept.append(contentsOf: ids[start..<start + Int(entries[index].idBytes)])
        }
        ids = kept
        deadBytes = 0
        entries = Array(entries)
        var size = 16
        while size < 2 * entries.count { size *= 2 }
        resize(to: size)
    }
}
