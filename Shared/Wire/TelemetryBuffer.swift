public import Domain

/// One batch of samples in reusable memory: the hot path's currency. All text lies in one arena, samples are plain entries, so
/// that filling, encoding and decoding allocate nothing once the buffer has grown to the size of the batches.
///
/// Keep one per thread: `removeAll`, fill (or decode into it), encode (or read).
public struct TelemetryBuffer: Sendable {
    public var sequence: StreamSequence?
    public var ingestTime = Timestamp.unixEpoch
    public var source = SourceProtocol.unknown

    var arena = TextArena()
    var device = TextArena.Slice(offset: 0, count: 0)
    var entries: [Entry] = []
    public internal(set) var count = 0
    var catalogue = SeriesCatalogue()

    public init() {}

    /// A sample without its text. Strings of values lie in the arena.
    struct Entry: Sendable {
        var time: Int64
        /// Bits of a double, an integer, 0 or 1, or a slice of the arena.
        var payload: UInt64
        var traits: Traits
    }

    /// What the samples of a run have in common; one word, so that a run is marked with one store each.
    struct Traits: Sendable {
        /// From the top: quality, kind, series.
        private var packed: UInt32

        @inline(__always)
        init(series: UInt16, kind: ValueKind, quality: UInt8) {
            packed = UInt32(quality) &<< 24 | UInt32(kind.rawValue) &<< 16 | UInt32(series)
        }

        var series: UInt16 { UInt16(truncatingIfNeeded: packed) }
        // The two bits have a kind each.
        var kind: ValueKind { ValueKind(rawValue: UInt8(truncatingIfNeeded: packed &>> 16) & 3) ?? .double }
        var quality: UInt8 {
            get { UInt8(truncatingIfNeeded: packed &>> 24) }
            set { packed = packed & 0x00FF_FFFF | UInt32(newValue) &<< 24 }
        }
    }

    enum ValueKind: UInt8, Sendable { case double, int, bool, string }

    /// Memory that the buffer holds, in bytes, whether in use or not.
    public var reservedBytes: Int {
        arena.reservedBytes + entries.capacity * MemoryLayout<Entry>.stride + catalogue.reservedBytes
    }

    /// Forgets the content, keeps the memory.
    public mutating func removeAll() {
        sequence = nil
        ingestTime = .unixEpoch
        source = .unknown
        device = TextArena.Slice(offset: 0, count: 0)
        arena.removeAll()
        count = 0
        catalogue.removeAll()
    }

    public mutating func setDevice(_ id: DeviceID) {
        // Without a copy of the string, which would be counted.
        let slice = id.text.utf8.withContiguousStorageIfAvailable { arena.append(UnsafeRawBufferPointer($0)) }
        device = slice ?? Array(id.text.utf8).withUnsafeBytes { arena.append($0) }
    }

    /// - Throws: `invalidField` when these bytes are no device id.
    public mutating func setDevice(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        guard DeviceID.isValid(bytes) else { throw .at(0, .invalidField, "device") }
        device = arena.append(bytes)
    }

    /// Appends a sample; the bytes are copied. An empty unit means none.
    /// - Throws: `WireError` whose offset is the index of the sample: `limitExceeded`, `invalidUTF8`, `invalidField`.
    public mutating func append(
        metric: UnsafeRawBufferPointer, unit: UnsafeRawBufferPointer?, time: Timestamp, quality: Quality, value: ValueRef
    ) throws(WireError) {
        guard count < WireLimits.samplesPerBatch else { throw .at(count, .limitExceeded, "samples") }
        guard time.isRepresentable else { throw .at(count, .invalidField, "time") }
        if case .string(let bytes) = value { try check(string: bytes) }
        let series = try catalogue.series(metric: metric, unit: unit, arena: &arena, sample: count)
        append(Entry(time: time.microseconds, series: series, quality: quality, value: value, arena: &arena))
    }

    /// As above, from the comfortable form.
    public mutating func append(_ sample: Sample) throws(WireError) {
        var (metric, unit) = (sample.metric.text, sample.unit ?? "")
        let result = metric.withUTF8 { metric in
            unit.withUTF8 { unit in
                sample.value.withReference { value in
                    Result { () throws(WireError) in
                        try append(
                            metric: UnsafeRawBufferPointer(metric), unit: UnsafeRawBufferPointer(unit), time: sample.time,
                            quality: sample.quality, value: value)
                    }
                }
            }
        }
        try result.get()
    }

    @inline(__always)
    mutating func append(_ entry: Entry) {
        if count < entries.count {
            // Field by field: a copy of the whole would wait for what was just written.
            entries.withUnsafeMutableBufferPointer { entries in
                entries[count].time = entry.time
                entries[count].payload = entry.payload
                entries[count].traits = entry.traits
            }
        } else {
            entries.append(entry)
        }
        count &+= 1
    }

    /// - Parameter bytes: The message, where its texts are.
    @inline(__always)
    mutating func replace(by message: PlainMessage, _ bytes: UnsafeRawBufferPointer) {
        sequence = message.sequence
        ingestTime = message.ingestTime
        source = message.source
        arena.replace(by: bytes)
        device = message.device
        catalogue.removeAll()
        _ = catalogue.add(metric: message.series.metric, unit: message.series.unit)
        count = 0
        append(message.entry)
    }

    private func check(string: UnsafeRawBufferPointer) throws(WireError) {
        guard string.count <= WireLimits.stringBytes else { throw .at(count, .limitExceeded, "value") }
        guard TextRule.isText(string) else { throw .at(count, .invalidUTF8, "value") }
        guard arena.count + string.count <= WireLimits.messageBytes else {
            throw .at(count, .limitExceeded, "message")
        }
    }
}
