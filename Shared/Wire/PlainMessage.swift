import Domain

/// The usual message of one sample, read in one go: lengths below 128, numbers of up to eight bytes, ASCII, no text as value.
/// What is not usual or not right is nil, and left to the careful reader, which says what is wrong and where.
struct PlainMessage {
    let device: TextArena.Slice
    let sequence: StreamSequence?
    let ingestTime: Timestamp
    let source: SourceProtocol
    let series: SeriesCatalogue.Series
    let entry: TelemetryBuffer.Entry

    private typealias Flags = TelemetryCodec.Flags
    private typealias Value = TelemetryCodec.SingleValue

    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard var cursor = PlainCursor(bytes), let flags = cursor.header(TelemetryCodec.schema), flags & Flags.columnar == 0,
            let device = cursor.sized(), DeviceID.isValid(cursor[device]), let sequence = cursor.sequence(flags),
            let ingest = cursor.fixed64(), let source = cursor.byte(),
            let metric = cursor.sized(), metric.count > 0, TextRule.isPrintableASCII(cursor[metric]),
            let offset = cursor.zigzag(), let options = cursor.byte(), let (kind, payload) = cursor.value(options),
            let unit = cursor.unit(options), let quality = options & Value.quality == 0 ? 0 : cursor.byte(), cursor.isAtEnd
        else { return nil }
        let time = Timestamp(microseconds: Int64(bitPattern: ingest) &+ offset)
        ingestTime = Timestamp(microseconds: Int64(bitPattern: ingest))
        guard ingestTime.isRepresentable && time.isRepresentable else { return nil }
        self.device = device
        self.sequence = sequence.there ? sequence.value : nil
        self.source = SourceProtocol(rawValue: source) ?? .unknown
        series = SeriesCatalogue.Series(metric: metric, unit: unit)
        entry = TelemetryBuffer.Entry(time: time.microseconds, payload: payload, series: 0, kind: kind, quality: quality)
    }
}

/// A cursor for what is usually there: every read checks what is left, and returns nil when that is not enough, or not usual.
private struct PlainCursor {
    private let start: UnsafeRawPointer
    private let count: Int
    private var position = 0

    /// Header, device, times, metric and value take more than the eight bytes that `varint` needs.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count >= 16, bytes.count <= WireLimits.messageBytes else { return nil }
        self.start = start
        count = bytes.count
    }

    var isAtEnd: Bool { position == count }

    @inline(__always)
    subscript(_ slice: TextArena.Slice) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start + Int(slice.offset), count: Int(slice.count))
    }

    /// - Returns: The flags.
    @inline(__always)
    mutating func header(_ schema: MessageSchema) -> UInt8? {
        let word = UInt32(littleEndian: start.loadUnaligned(as: UInt32.self))
        let flags = UInt8(truncatingIfNeeded: word &>> 24)
        position = 4
        return word & 0x00FF_FFFF == schema.word && flags & ~schema.knownFlags == 0 ? flags : nil
    }

    @inline(__always)
    mutating func byte() -> UInt8? {
        guard position < count else { return nil }
        defer { position &+= 1 }
        return start.load(fromByteOffset: position, as: UInt8.self)
    }

    @inline(__always)
    mutating func fixed64() -> UInt64? {
        guard count &- position >= 8 else { return nil }
        defer { position &+= 8 }
        return UInt64(littleEndian: start.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }

    /// A length below 128 and as many bytes.
    @inline(__always)
    mutating func sized() -> TextArena.Slice? {
        guard let length = byte(), length < 0x80, Int(length) <= count &- position else { return nil }
        defer { position &+= Int(length) }
        return TextArena.Slice(offset: position, count: Int(length))
    }

    /// Up to eight bytes.
    @inline(__always)
    mutating func varint() -> UInt64? {
        let start = min(position, count &- 8)
        // Near the end: the last word, with zeros for what is not there.
        let word = self.start.loadUnaligned(fromByteOffset: start, as: UInt64.self).littleEndian &>> UInt64(8 &* (position &- start))
        let ends = ~word & Varint.continuations
        position &+= (ends.trailingZeroBitCount &+ 1) &>> 3
        guard ends != 0, position <= count else { return nil }
        return Varint.packed(word & (ends ^ (ends &- 1)))
    }

    @inline(__always)
    mutating func zigzag() -> Int64? { varint().map(zigzagDecoded) }

    @inline(__always)
    mutating func sequence(_ flags: UInt8) -> (there: Bool, value: StreamSequence)? {
        typealias Flags = TelemetryCodec.Flags
        if flags == 0 { return (false, StreamSequence(stream: 0, first: 0)) }
        guard flags & Flags.sequence != 0, let stream = varint(), let first = varint() else { return nil }
        let sequence = StreamSequence(stream: stream, first: first, scope: flags & Flags.sampleScope != 0 ? .sample : .batch)
        return sequence.isWithinLimits(sampleCount: 1) ? (true, sequence) : nil
    }

    @inline(__always)
    mutating func value(_ options: UInt8) -> (TelemetryBuffer.ValueKind, UInt64)? {
        typealias Value = TelemetryCodec.SingleValue
        if options & Value.typeMask == Value.decimal {
            let exponent = Int(options & Value.exponentMask) &>> Value.exponentShift
            guard let mantissa = zigzag(), mantissa.magnitude <= DecimalDouble.columnMantissaLimit.magnitude else { return nil }
            return (.double, DecimalDouble.value(mantissa: mantissa, exponent: exponent).bitPattern)
        }
        switch options & (Value.typeMask | Value.exponentMask) {
        case Value.double: return fixed64().map { (.double, $0) }
        case Value.int: return zigzag().map { (.int, UInt64(bitPattern: $0)) }
        case Value.no: return (.bool, 0)
        case Value.yes: return (.bool, 1)
        default: return nil
        }
    }

    /// - Returns: Of no bytes when the sample has none.
    @inline(__always)
    mutating func unit(_ options: UInt8) -> TextArena.Slice? {
        guard options & TelemetryCodec.SingleValue.unit != 0 else { return TextArena.Slice(offset: 0, count: 0) }
        guard let unit = sized(), unit.count > 0, unit.count <= WireLimits.unitBytes else { return nil }
        return TextRule.isPrintableASCII(self[unit]) ? unit : nil
    }
}
