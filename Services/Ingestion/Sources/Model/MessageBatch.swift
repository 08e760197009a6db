internal import Domain

/// The messages of one batch, copied out of the MQTT client's memory and chained by device, in reused memory.
struct MessageBatch {
    /// One message; its bytes are valid inside the call that hands it out.
    struct Message {
        let topic: UnsafeRawBufferPointer
        /// Empty when no template matches the topic.
        let device: UnsafeRawBufferPointer
        let payload: UnsafeRawBufferPointer
        let kind: SourceKind?
        let properties: MessageProperties
        let retained: Bool
        let time: Timestamp
    }

    private struct Entry {
        var topic: Range<Int>
        var device: Range<Int>
        var payload: Range<Int>
        var kind: SourceKind?
        var properties: MessageProperties
        var retained: Bool
        var time: Timestamp
        /// The device's next message, −1 for none.
        var next: Int32 = -1
    }

    private struct Chain {
        var hash: UInt64
        var first: Int32
        var last: Int32
    }

    private static let keptBytes = 1 << 20
    private let seed: UInt64
    private var bytes: [UInt8] = []
    private var used = 0
    private var entries: [Entry] = []
    private var chains: [Chain] = []
    /// Open addressing: index of the chain plus one, 0 is free. Never more than half full.
    private var slots = [Int32](repeating: 0, count: 64)
    /// Messages that are no telemetry of a device.
    private var others: [Int32] = []

    /// - Parameter seed: of the hash, so that nobody can choose device ids that collide.
    init(seed: UInt64) { self.seed = seed }

    var count: Int { entries.count }

    /// Forgets the messages, keeps the memory unless they were unusually large.
    mutating func removeAll() {
        if bytes.count > Self.keptBytes { bytes = [] }
        used = 0
        entries.removeAll(keepingCapacity: true)
        chains.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        for index in slots.indices { slots[index] = 0 }
    }

    /// - Parameter device: the device's part of `topic`.
    mutating func append(
        topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, kind: SourceKind?, device: UnsafeRawBufferPointer?,
        properties: MessageProperties, retained: Bool, time: Timestamp
    ) {
        let number = Int32(entries.count)
        let topicRange = keep(topic)
        var deviceRange = topicRange.lowerBound..<topicRange.lowerBound
        if let device, let start = device.baseAddress, let topicStart = topic.baseAddress {
            let offset = topicRange.lowerBound + (start - topicStart)
            deviceRange = offset..<offset + device.count
        }
        entries.append(
            Entry(
                topic: topicRange, device: deviceRange, payload: keep(payload), kind: kind, properties: properties, retained: retained,
                time: time))
        if kind == .telemetry, !deviceRange.isEmpty { chain(number) } else { others.append(number) }
    }

    /// Hands out telemetry device after device, each device's messages in the order of arrival, then all others.
    /// - Parameter deviceEnded: called behind the last message of each device.
    func forEach(_ body: (Message) -> Void, deviceEnded: () -> Void) {
        bytes.withUnsafeBytes { bytes in
            for chain in chains {
                var number = chain.first
                while number >= 0 {
                    body(message(number, bytes))
                    number = entries[Int(number)].next
                }
                deviceEnded()
            }
            for number in others { body(message(number, bytes)) }
        }
    }

    @inline(__always)
    private func message(_ number: Int32, _ bytes: UnsafeRawBufferPointer) -> Message {
        let entry = entries[Int(number)]
        return Message(
            topic: UnsafeRawBufferPointer(rebasing: bytes[entry.topic]), device: UnsafeRawBufferPointer(rebasing: bytes[entry.device]),
            payload: UnsafeRawBufferPointer(rebasing: bytes[entry.payload]), kind: entry.kind, properties: entry.properties,
            retained: entry.retained, time: entry.time)
    }

    private mutating func keep(_ source: UnsafeRawBufferPointer) -> Range<Int> {
        let end = used + source.count
        if end > bytes.count { bytes.append(contentsOf: repeatElement(0, count: max(end - bytes.count, bytes.count, 4_096))) }
        bytes.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[used..<end]).copyMemory(from: source) }
        defer { used = end }
        return used..<end
    }

    // MARK: Devices

    private mutating func chain(_ number: Int32) {
        let hash = hash(of: entries[Int(number)].device)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            if chains[index].hash == hash, isSameDevice(chains[index].first, number) {
                entries[Int(chains[index].last)].next = number
                chains[index].last = number
                return
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        chains.append(Chain(hash: hash, first: number, last: number))
        slots[slot] = Int32(chains.count)
        if chains.count * 2 > slots.count { grow() }
    }

    private mutating func grow() {
        slots = [Int32](repeating: 0, count: slots.count * 4)
        for (index, chain) in chains.enumerated() {
            var slot = Int(truncatingIfNeeded: chain.hash) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(index + 1)
        }
    }

    private func isSameDevice(_ left: Int32, _ right: Int32) -> Bool {
        let (left, right) = (entries[Int(left)].device, entries[Int(right)].device)
        guard left.count == right.count else { return false }
        return bytes.withUnsafeBytes { bytes in
            for offset in 0..<left.count where bytes[left.lowerBound + offset] != bytes[right.lowerBound + offset] { return false }
            return true
        }
    }

    private func hash(of range: Range<Int>) -> UInt64 {
        bytes.withUnsafeBytes { bytes in
            var hash = seed ^ UInt64(range.count)
            var index = range.lowerBound
            while index < range.upperBound {
                let rest = range.upperBound - index
                var word: UInt64 = 0
                if rest >= 8 {
                    word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                } else {
                    for offset in 0..<rest { word |= UInt64(bytes[index + offset]) << (8 * UInt64(offset)) }
                }
                hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
                hash ^= hash >> 29
                index += 8
            }
            return hash
        }
    }
}
