import Domain

/// Bytes ↔ `TelemetryBuffer`, without allocation once both have grown. Layout: FORMAT.md, "TelemetryBatch".
public enum TelemetryCodec {
    static let schema = MessageSchema(id: 1, version: 1, knownFlags: Flags.sequence | Flags.sampleScope | Flags.columnar)

    enum Flags {
        static let sequence: UInt8 = 1
        static let sampleScope: UInt8 = 2
        static let columnar: UInt8 = 4
    }

    /// Bits of the byte that stands before the value of a single sample.
    enum SingleValue {
        static let double: UInt8 = 0
        static let int: UInt8 = 1
        static let no: UInt8 = 2
        static let yes: UInt8 = 3
        static let string: UInt8 = 4
        static let decimal: UInt8 = 5
        static let typeMask: UInt8 = 0b0000_0111
        static let exponentShift: UInt8 = 3
        static let exponentMask: UInt8 = 0b0011_1000
        static let unit: UInt8 = 0b0100_0000
        static let quality: UInt8 = 0b1000_0000
    }

    /// Replaces the content of `output` by the batch: the single form for one sample, columns for more.
    ///
    /// Samples of a batch without sequence, or with scope `.batch`, are grouped by series and type; the order within a group is
    /// kept. With scope `.sample` the whole order is kept.
    /// - Throws: `invalidField` without device or samples, `limitExceeded` beyond 1 MiB.
    public static func encode(_ batch: TelemetryBuffer, into output: inout WireBuffer) throws(WireError) {
        try check(batch)
        if batch.count == 1 { return try encodeSingle(batch, into: &output) }
        // Text is written once; what surrounds it takes at most 64 bytes per sample and 8 per series.
        let bound = 256 + batch.arena.count + 64 * batch.count + 8 * batch.seriesCount
        try batch.withView { view throws(WireError) in
            try output.replace(bound: bound) { writer, scratch in encode(view, &writer, &scratch) }
        }
    }

    @inline(__always)
    private static func check(_ batch: TelemetryBuffer) throws(WireError) {
        guard batch.device.count > 0 else { throw .at(0, .invalidField, "device") }
        guard batch.count > 0 else { throw .at(0, .invalidField, "samples") }
        guard batch.ingestTime.isRepresentable else { throw .at(0, .invalidField, "ingest_time") }
        if let sequence = batch.sequence, !sequence.isWithinLimits(sampleCount: batch.count) {
            throw .at(0, .invalidField, "first")
        }
    }

    private static func encode(_ batch: BatchView, _ writer: inout ByteWriter, _ scratch: inout GroupingScratch) {
        writer.header(schema, flags: Flags.columnar | sequenceFlags(batch.sequence))
        writer.sized(batch.text[batch.device])
        if let sequence = batch.sequence {
            writer.varint(sequence.stream)
            writer.varint(sequence.first)
        }
        writer.fixed64(UInt64(bitPattern: batch.ingestTime))
        writer.byte(batch.source.rawValue)
        ColumnEncoder(batch: batch).encode(&writer, &scratch)
    }

    @inline(__always)
    static func sequenceFlags(_ sequence: StreamSequence?) -> UInt8 {
        guard let sequence else { return 0 }
        return Flags.sequence | (sequence.scope == .sample ? Flags.sampleScope : 0)
    }

    /// Replaces the content of `batch` by the message. Nothing is reserved for counts that the bytes cannot hold.
    /// - Throws: `WireError`; `batch` is empty then.
    public static func decode(_ bytes: UnsafeRawBufferPointer, into batch: inout TelemetryBuffer) throws(WireError) {
        if let plain = PlainMessage(bytes) { batch.replace(by: plain, bytes) } else { try decodeCarefully(bytes, into: &batch) }
    }

    /// Every message, field by field.
    static func decodeCarefully(_ bytes: UnsafeRawBufferPointer, into batch: inout TelemetryBuffer) throws(WireError) {
        batch.removeAll()
        do throws(WireError) { try decodeAll(bytes, into: &batch) } catch {
            batch.removeAll()
            throw error
        }
    }

    private static func decodeAll(_ bytes: UnsafeRawBufferPointer, into batch: inout TelemetryBuffer) throws(WireError) {
        var reader = ByteReader(bytes)
        let (version, flags) = try reader.header(schema)
        let deviceStart = reader.position
        let device = try reader.sized(limit: WireLimits.deviceBytes, "device")
        guard DeviceID.isValid(device) else { throw reader.error(.invalidField, "device", at: deviceStart) }
        let isSingle = flags & Flags.columnar == 0
        if isSingle {
            // One copy of all: the texts are places in the message.
            batch.arena.replace(by: bytes)
            batch.device = TextArena.Slice(device, by: reader)
        } else {
            batch.device = batch.arena.append(device)
        }
        let sequenceStart = reader.position
        if flags & Flags.sequence != 0 {
            let stream = try reader.varint("stream")
            let first = try reader.varint("first")
            batch.sequence = StreamSequence(stream: stream, first: first, scope: flags & Flags.sampleScope != 0 ? .sample : .batch)
        } else if flags & Flags.sampleScope != 0 {
            throw reader.error(.invalidField, "flags", at: 3)
        }
        batch.ingestTime = try reader.ingestTime()
        batch.source = SourceProtocol(rawValue: try reader.byte("source")) ?? .unknown
        if isSingle {
            try decodeSingle(&reader, into: &batch)
        } else {
            try ColumnDecoder.decode(&reader, into: &batch)
        }
        if let sequence = batch.sequence, !sequence.isWithinLimits(sampleCount: batch.count) {
            throw reader.error(.invalidField, "first", at: sequenceStart)
        }
        try reader.finish(schema, version: version)
    }
}

extension ByteReader {
    @inline(__always)
    mutating func ingestTime() throws(WireError) -> Timestamp {
        let start = position
        let time = Timestamp(microseconds: Int64(bitPattern: try fixed64("ingest_time")))
        guard time.isRepresentable else { throw error(.invalidField, "ingest_time", at: start) }
        return time
    }

    /// A time as zig-zag difference from `base`, modulo 2^64.
    @inline(__always)
    mutating func time(relativeTo base: Timestamp, _ field: StaticString) throws(WireError) -> Timestamp {
        let start = position
        let time = Timestamp(microseconds: base.microseconds &+ (try zigzag(field)))
        guard time.isRepresentable else { throw error(.invalidField, field, at: start) }
        return time
    }

    /// Metric name with its length.
    @inline(__always)
    mutating func metric() throws(WireError) -> UnsafeRawBufferPointer {
        let start = position
        let metric = try sized(limit: WireLimits.metricBytes, "metric")
        guard MetricName.isValid(metric) else { throw error(metric.isEmpty ? .invalidField : .invalidUTF8, "metric", at: start) }
        return metric
    }

    /// Unit with its length.
    @inline(__always)
    mutating func unit() throws(WireError) -> UnsafeRawBufferPointer {
        let start = position
        let unit = try sized(limit: WireLimits.unitBytes, "unit")
        guard TextRule.isName(unit) else { throw error(.invalidUTF8, "unit", at: start) }
        return unit
    }

    mutating func stringValue() throws(WireError) -> UnsafeRawBufferPointer {
        let start = position
        let string = try sized(limit: WireLimits.stringBytes, "value")
        guard TextRule.isText(string) else { throw error(.invalidUTF8, "value", at: start) }
        return string
    }
}
