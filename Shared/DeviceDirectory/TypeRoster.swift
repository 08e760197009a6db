internal import Domain
internal import Wire

/// Gives the names of device types numbers, and knows the types that the registry has described. A number is free again when neither
/// a device nor a description needs it.
///
/// A pure value, the follower's own.
struct TypeRoster {
    private struct Entry {
        var name: [UInt8] = []
        var devices = 0
        var revision: Int64?
        var round: UInt8 = 0
    }

    private var entries: [Entry] = []
    private var numbers: [[UInt8]: UInt32] = [:]
    private var free: [UInt32] = []
    /// Neighbouring records are often of one type.
    private var last: UInt32?

    /// Types that have a description.
    private(set) var described = 0

    /// The number of a device's type; the device is counted.
    mutating func addDevice(type name: UnsafeRawBufferPointer) -> UInt32 {
        let number = self.number(of: name)
        entries[Int(number)].devices += 1
        return number
    }

    mutating func removeDevice(type number: UInt32) {
        entries[Int(number)].devices -= 1
        releaseIfUnused(number)
    }

    /// - Returns: the type's number; nil when the record says nothing new.
    mutating func describe(_ record: DeviceTypeRecord, round: UInt8) -> UInt32? {
        var name = record.name
        let number = name.withUTF8 { self.number(of: UnsafeRawBufferPointer($0)) }
        let entry = entries[Int(number)]
        if let known = entry.revision, entry.round == round, known >= record.revision { return nil }
        if entry.revision == nil { described += 1 }
        entries[Int(number)].revision = record.revision
        entries[Int(number)].round = round
        return number
    }

    /// - Returns: the number of a type whose description is gone with this.
    mutating func forget(type name: UnsafeRawBufferPointer) -> UInt32? {
        guard let number = numbers[Array(name)], entries[Int(number)].revision != nil else { return nil }
        forget(number)
        return number
    }

    /// - Returns: the numbers of the types whose descriptions go with this: those of an earlier round.
    mutating func forgetAll(before round: UInt8) -> [UInt32] {
        let stale = numbers.values.filter { entries[Int($0)].revision != nil && entries[Int($0)].round != round }
        for number in stale { forget(number) }
        return stale
    }

    private mutating func forget(_ number: UInt32) {
        entries[Int(number)].revision = nil
        described -= 1
        releaseIfUnused(number)
    }

    private mutating func number(of name: UnsafeRawBufferPointer) -> UInt32 {
        if let last, entries[Int(last)].name.count == name.count, name.elementsEqual(entries[Int(last)].name) { return last }
        let key = Array(name)
        let number = numbers[key] ?? take(key)
        last = number
        return number
    }

    private mutating func take(_ name: [UInt8]) -> UInt32 {
        let number = free.popLast() ?? UInt32(entries.count)
        if Int(number) == entries.count { entries.append(Entry()) }
        entries[Int(number)] = Entry(name: name)
        numbers[name] = number
        return number
    }

    private mutating func releaseIfUnused(_ number: UInt32) {
        let entry = entries[Int(number)]
        guard entry.devices == 0, entry.revision == nil else { return }
        numbers[entry.name] = nil
        entries[Int(number)] = Entry()
        free.append(number)
        if last == number { last = nil }
    }
}
