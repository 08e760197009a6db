public import Domain

/// Samples of one device in their comfortable form; the same bytes as `TelemetryBuffer`, for paths where speed is no matter.
public struct TelemetryBatch: Hashable, Sendable, WireMessage {
    public static let schemaID: UInt8 = TelemetryCodec.schema.id

    public var device: DeviceID
    public var sequence: StreamSequence?
    /// When the platform took the batch in.
    public var ingestTime: Timestamp
    public var source: SourceProtocol
    /// 1 to 10,000. Encoding groups them by (metric, unit, type), except when the sequence's scope is `.sample`.
    public var samples: [Sample]

    public init(device: DeviceID, sequence: StreamSequence? = nil, ingestTime: Timestamp, source: SourceProtocol, samples: [Sample]) {
        self.device = device
        self.sequence = sequence
        self.ingestTime = ingestTime
        self.source = source
        self.samples = samples
    }

    /// A copy of what the buffer holds.
    /// - Throws: `invalidField` when the buffer has no device.
    public init(_ buffer: TelemetryBuffer) throws(WireError) {
        guard let device = buffer.withDevice({ try? DeviceID(bytes: $0) }) else {
            throw WireError(.invalidField, offset: 0, field: "device")
        }
        self.init(
            device: device, sequence: buffer.sequence, ingestTime: buffer.ingestTime, source: buffer.source,
            samples: (0..<buffer.count).map { buffer.sample(at: $0) })
    }

    /// Replaces the content of `buffer` by this batch.
    public func fill(_ buffer: inout TelemetryBuffer) throws(WireError) {
        buffer.removeAll()
        buffer.setDevice(device)
        buffer.sequence = sequence
        buffer.ingestTime = ingestTime
        buffer.source = source
        for sample in samples { try buffer.append(sample) }
    }

    public func encode(into buffer: inout WireBuffer) throws(WireError) {
        var telemetry = TelemetryBuffer()
        try fill(&telemetry)
        try TelemetryCodec.encode(telemetry, into: &buffer)
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var telemetry = TelemetryBuffer()
        try TelemetryCodec.decode(bytes, into: &telemetry)
        try self.init(telemetry)
    }
}
