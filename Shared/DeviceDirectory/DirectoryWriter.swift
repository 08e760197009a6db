internal import Domain
internal import Synchronization
internal import Wire

/// Applies the records of the registry's topics to a directory: the newest revision of each device and type counts, whatever comes twice.
///
/// A *round* is one reading of the topics from their beginning. The records of a round count as they come, even if an earlier one had a
/// higher revision (the registry may have been restored from a backup); what a whole round did not speak of is gone.
struct DirectoryWriter {
    private let directory: DeviceDirectory
    private var types = TypeRoster()
    private var round: UInt8 = 0

    init(_ directory: DeviceDirectory) { self.directory = directory }

    var describedTypes: Int { types.described }

    mutating func beginRound() { round &+= 1 }

    /// Everything that was there when the round began has been applied.
    mutating func endRound() {
        for number in types.forgetAll(before: round) { setRanges(nil, of: number) }
        var gone: [UInt32] = []
        directory.forEachPart { part in
            part.devices.removeAll { device in
                guard device.round != round else { return false }
                gone.append(device.type)
                return true
            }
        }
        directory.devices.subtract(gone.count, ordering: .relaxed)
        for type in gone { types.removeDevice(type: type) }
    }

    /// - Parameter value: nil for a tombstone.
    /// - Throws: when the value cannot be read. Its device is then taken for one in an unknown state: better refused than believed.
    mutating func applyDevice(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?) throws(WireError) {
        guard DeviceID.isValid(key) else { throw WireError(.invalidField, offset: 0, field: "key") }
        guard let value else { return remove(key) }
        let head: DeviceRecordHead
        do throws(WireError) {
            head = try DeviceRecordHead(decoding: value)
            guard head.device.elementsEqual(key) else { throw WireError(.invalidField, offset: WireHeader.byteCount, field: "device") }
        } catch {
            set(key, revision: 0, lifecycle: .unknown, type: UnsafeRawBufferPointer(start: nil, count: 0), always: true)
            throw error
        }
        set(key, revision: head.revision, lifecycle: head.lifecycle, type: head.type, always: false)
    }

    /// - Parameter value: nil for a tombstone.
    mutating func applyType(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?) throws(WireError) {
        guard let value else {
            if let number = types.forget(type: key) { setRanges(nil, of: number) }
            return
        }
        let record = try DeviceTypeRecord(decoding: value)
        guard key.elementsEqual(record.name.utf8) else { throw WireError(.invalidField, offset: WireHeader.byteCount, field: "name") }
        if let number = types.describe(record, round: round) { setRanges(MetricRanges(record), of: number) }
    }

    // MARK: Inside

    private mutating func set(
        _ id: UnsafeRawBufferPointer, revision: Int64, lifecycle: DeviceRecord.Lifecycle, type: UnsafeRawBufferPointer, always: Bool
    ) {
        let number = types.addDevice(type: type)
        let device = DeviceShard.Device(revision: revision, lifecycle: lifecycle, type: number, round: round)
        let round = round
        let change = directory.withPart(of: id) { part, hash in
            part.devices.set(id, hash: hash, to: device) { always || $0.round != round || $0.revision < revision }
        }
        switch change {
        case .added: directory.devices.add(1, ordering: .relaxed)
        case .replaced(let before): types.removeDevice(type: before.type)
        case .kept: types.removeDevice(type: number)
        }
    }

    private mutating func remove(_ id: UnsafeRawBufferPointer) {
        guard let device = directory.withPart(of: id, { part, hash in part.devices.remove(id, hash: hash) }) else { return }
        directory.devices.subtract(1, ordering: .relaxed)
        types.removeDevice(type: device.type)
    }

    private func setRanges(_ ranges: MetricRanges?, of number: UInt32) {
        directory.forEachPart { part in
            while part.ranges.count <= Int(number) {
                guard ranges != nil else { return }
                part.ranges.append(nil)
            }
            part.ranges[Int(number)] = ranges
        }
    }
}
