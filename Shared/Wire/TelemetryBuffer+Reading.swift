public import Domain

/// A value whose text is borrowed.
public enum ValueRef {
    case double(Double)
    case int(Int64)
    case bool(Bool)
    case string(UnsafeRawBufferPointer)
}

/// One sample whose text is borrowed from its buffer: valid only within the closure it was handed to.
public struct SampleRef {
    public let time: Timestamp
    public let quality: Quality
    public let value: ValueRef
    /// Number of the (metric, unit) pair within this batch, from 0; a reader may look up what belongs to it once per batch.
    public let series: Int
    /// The device's number of this sample; nil when the batch has no sequence.
    public let sequence: UInt64?

    let text: UnsafeRawBufferPointer
    let names: SeriesCatalogue.Series

    public var metric: UnsafeRawBufferPointer { text[names.metric] }
    public var unit: UnsafeRawBufferPointer? { names.unit.count == 0 ? nil : text[names.unit] }
}

extension TelemetryBuffer {
    /// How many distinct (metric, unit) pairs `SampleRef.series` numbers.
    public var seriesCount: Int { catalogue.count }

    /// Bytes of the device id; empty when none was set.
    public func withDevice<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try arena.withBytes { try body($0[device]) }
    }

    /// Metric and unit of a series, `0 ..< seriesCount`.
    public func withSeries<R>(
        _ number: Int, _ body: (_ metric: UnsafeRawBufferPointer, _ unit: UnsafeRawBufferPointer?) throws -> R
    ) rethrows -> R {
        precondition(number >= 0 && number < catalogue.count, "series \(number) of \(catalogue.count)")
        let series = catalogue.series[number]
        return try arena.withBytes { try body($0[series.metric], series.unit.count == 0 ? nil : $0[series.unit]) }
    }

    /// The sample at `index`, `0 ..< count`.
    public func withSample<R>(_ index: Int, _ body: (SampleRef) throws -> R) rethrows -> R {
        precondition(index >= 0 && index < count, "sample \(index) of \(count)")
        return try arena.withBytes { try body(sample(index, $0)) }
    }

    /// Every sample in order.
    public func forEachSample(_ body: (_ index: Int, _ sample: SampleRef) throws -> Void) rethrows {
        try arena.withBytes { text in
            for index in 0..<count { try body(index, sample(index, text)) }
        }
    }

    /// The device's number of the sample at `index`; nil when the batch has no sequence.
    public func sequence(of index: Int) -> UInt64? { sequence?.number(ofSample: index) }

    /// The comfortable form of the sample at `index`; allocates.
    public func sample(at index: Int) -> Sample {
        withSample(index) { sample in
            Sample(
                metric: MetricName(trusted: sample.metric), time: sample.time, value: MetricValue(sample.value),
                unit: sample.unit.map { String(decoding: $0, as: UTF8.self) }, quality: sample.quality)
        }
    }

    @inline(__always)
    private func sample(_ index: Int, _ text: UnsafeRawBufferPointer) -> SampleRef {
        let entry = entries[index]
        return SampleRef(
            time: Timestamp(microseconds: entry.time), quality: Quality(rawValue: entry.quality), value: entry.value(text),
            series: Int(entry.series), sequence: sequence?.number(ofSample: index), text: text, names: catalogue.series[Int(entry.series)])
    }
}

extension TelemetryBuffer.Entry {
    @inline(__always)
    init(time: Int64, payload: UInt64, series: UInt16, kind: TelemetryBuffer.ValueKind, quality: UInt8) {
        self.init(time: time, payload: payload, traits: TelemetryBuffer.Traits(series: series, kind: kind, quality: quality))
    }

    @inline(__always)
    init(time: Int64, series: UInt16, quality: Quality, value: ValueRef, arena: inout TextArena) {
        let (kind, payload): (TelemetryBuffer.ValueKind, UInt64) =
            switch value {
            case .double(let number): (.double, number.bitPattern)
            case .int(let number): (.int, UInt64(bitPattern: number))
            case .bool(let flag): (.bool, flag ? 1 : 0)
            case .string(let bytes): (.string, arena.append(bytes).packed)
            }
        self.init(time: time, payload: payload, series: series, kind: kind, quality: quality.rawValue)
    }

    var series: UInt16 { traits.series }
    var kind: TelemetryBuffer.ValueKind { traits.kind }
    var quality: UInt8 {
        get { traits.quality }
        set { traits.quality = newValue }
    }

    @inline(__always)
    func value(_ text: UnsafeRawBufferPointer) -> ValueRef {
        switch kind {
        case .double: .double(Double(bitPattern: payload))
        case .int: .int(Int64(bitPattern: payload))
        case .bool: .bool(payload != 0)
        case .string: .string(text[TextArena.Slice(packed: payload)])
        }
    }
}

extension MetricValue {
    /// A copy of a borrowed value.
    public init(_ value: ValueRef) {
        switch value {
        case .double(let number): self = .double(number)
        case .int(let number): self = .int(number)
        case .bool(let flag): self = .bool(flag)
        case .string(let bytes): self = .string(String(decoding: bytes, as: UTF8.self))
        }
    }

    /// The value with its text borrowed for the time of `body`.
    func withReference<R>(_ body: (ValueRef) -> R) -> R {
        switch self {
        case .double(let number): body(.double(number))
        case .int(let number): body(.int(number))
        case .bool(let flag): body(.bool(flag))
        case .string(var text): text.withUTF8 { body(.string(UnsafeRawBufferPointer($0))) }
        }
    }
}
