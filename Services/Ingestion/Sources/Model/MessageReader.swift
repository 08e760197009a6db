internal import DeviceJSON
internal import Domain
internal import Wire

/// What a message says beside topic and payload.
struct MessageProperties {
    var stream: UInt64?
    var sequence: UInt64?
    /// A property of ours that cannot be read.
    var invalid = false

    /// Takes `seq` and `stream`; all others are somebody else's.
    mutating func note(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        if name.elementsEqual("seq".utf8) {
            sequence = decimalUInt64(value)
            if sequence == nil || sequence.map({ $0 > StreamSequence.maximumNumber }) == true { invalid = true }
        } else if name.elementsEqual("stream".utf8) {
            stream = decimalUInt64(value)
            if stream == nil { invalid = true }
        }
    }
}

/// Turns telemetry payloads into encoded `TelemetryBatch` records, in reused memory: nothing is allocated per message once
/// the buffers have grown. Confined to one thread.
///
/// `read` finds the whole payload good or refuses it; what it found is then either added to the record that the device's single
/// readings share, or taken out record by record.
struct MessageReader: ~Copyable {
    /// What a message has brought.
    enum Content {
        /// One reading: it may share a record with others of its device.
        case single(time: Timestamp, sequence: StreamSequence?)
        case records(Int, samples: Int)
    }

    private let limits: ReadingLimits
    private var json: DeviceJSONReader
    private var buffer = TelemetryBuffer()
    private var shared = TelemetryBuffer()
    private var clamped = TelemetryBuffer()
    private var encoded = WireBuffer(capacity: 4_096)
    private var isWire = false
    /// Samples that were marked as out of range since the last `takeOutOfRange`.
    private(set) var outOfRange: UInt64 = 0

    init(limits: ReadingLimits) {
        self.limits = limits
        json = DeviceJSONReader(limits: limits)
    }

    mutating func takeOutOfRange() -> UInt64 {
        defer { outOfRange = 0 }
        return outOfRange
    }

    /// Reads the payload, which must stay valid until what it brought has been taken.
    /// - Parameter ranges: what its values are held against, as the device's type says.
    mutating func read(_ message: MessageBatch.Message, _ ranges: MetricRanges? = nil) throws(Rejection) -> Content {
        guard !message.properties.invalid else { throw .propertyInvalid }
        isWire = message.payload.first == WireHeader.magic
        if isWire {
            try readWire(message.payload, device: message.device, properties: message.properties, now: message.time, ranges)
            return .records(1, samples: buffer.count)
        }
        var context = ReadingContext(device: message.device, now: message.time)
        context.retained = message.retained
        context.stream = message.properties.stream
        context.sequence = message.properties.sequence
        do { try json.read(message.payload, context) } catch { throw Rejection(error) }
        if let ranges { try check(ranges) }
        if let (time, sequence) = json.single { return .single(time: time, sequence: sequence) }
        // A message is stored whole or refused whole: none of several records leaves before the last has been found good.
        for record in 0..<json.recordCount { try encode(record: record) }
        return .records(json.recordCount, samples: json.sampleCount)
    }

    /// A message is stored whole or refused whole: one value that its type does not allow refuses it.
    private mutating func check(_ ranges: MetricRanges) throws(Rejection) {
        var marked: UInt64 = 0
        try json.review { metric, value throws(Rejection) in
            let doubt = try ranges.doubt(about: value, metric: metric)
            if !doubt.isEmpty { marked += 1 }
            return doubt
        }
        outOfRange += marked
    }

    /// One of the records of the message that was read last.
    mutating func withRecord(_ record: Int, _ body: (UnsafeRawBufferPointer) -> Void) throws(Rejection) {
        if !isWire, json.recordCount > 1 { try encode(record: record) }
        encoded.withUnsafeBytes(body)
    }

    /// Begins a record with the single reading that was read last.
    mutating func beginShared() throws(Rejection) {
        do { try json.write(record: 0, into: &shared) } catch { throw Rejection(error) }
    }

    /// Adds the single reading that was read last; one that is refused leaves the record as it was.
    mutating func addToShared() throws(Rejection) {
        do { try json.append(to: &shared) } catch { throw Rejection(error) }
    }

    mutating func withShared(sequence: StreamSequence?, _ body: (UnsafeRawBufferPointer) -> Void) throws(Rejection) {
        shared.sequence = sequence
        do { try TelemetryCodec.encode(shared, into: &encoded) } catch { throw Rejection(error) }
        encoded.withUnsafeBytes(body)
    }

    /// Lets go of the borrowed payload.
    mutating func finish() { json.finish() }

    @inline(__always)
    private mutating func encode(record: Int) throws(Rejection) {
        do {
            try json.write(record: record, into: &buffer)
            try TelemetryCodec.encode(buffer, into: &encoded)
        } catch { throw Rejection(error) }
    }

    mutating func readStatus(
        _ payload: UnsafeRawBufferPointer, device: UnsafeRawBufferPointer, now: Timestamp
    ) throws(Rejection) -> DeviceEvent {
        do {
            let status = try json.readStatus(payload, ReadingContext(device: device, now: now))
            guard let id = try? DeviceID(bytes: device) else { throw Rejection.deviceIDInvalid }
            return DeviceEvent(status, device: id, ingestTime: now)
        } catch let error as DeviceJSONError { throw Rejection(error) } catch let error as Rejection { throw error } catch {
            throw Rejection.payloadEmpty
        }
    }

    // MARK: A batch that the device encoded itself

    /// Leaves it in `encoded`, stamped anew.
    private mutating func readWire(
        _ payload: UnsafeRawBufferPointer, device: UnsafeRawBufferPointer, properties: MessageProperties, now: Timestamp,
        _ ranges: MetricRanges?
    ) throws(Rejection) {
        guard payload.count <= limits.maximumBytes else {
            throw Rejection(
                DeviceJSONError(.jsonTooLarge, "\(payload.count) bytes, at most \(limits.maximumBytes)", at: limits.maximumBytes))
        }
        do { try TelemetryCodec.decode(payload, into: &buffer) } catch { throw Rejection(error) }
        guard buffer.withDevice({ $0.elementsEqual(device) }) else {
            throw Rejection(DeviceJSONError(.deviceMismatch, "device of the batch", at: 4))
        }
        buffer.ingestTime = now
        buffer.source = .mqtt
        if let sequence = properties.sequence {
            buffer.sequence = StreamSequence(stream: properties.stream ?? buffer.sequence?.stream ?? 0, first: sequence, scope: .batch)
        } else if let stream = properties.stream {
            buffer.sequence?.stream = stream
        }
        do {
            if try needsRewriting(now, ranges) {
                try rewrite(now, device, ranges)
                try TelemetryCodec.encode(clamped, into: &encoded)
            } else {
                try TelemetryCodec.encode(buffer, into: &encoded)
            }
        } catch let error as WireError { throw Rejection(error) } catch let error as Rejection { throw error } catch {
            throw .valueNotFinite
        }
    }

    private func needsRewriting(_ now: Timestamp, _ ranges: MetricRanges?) throws -> Bool {
        let window = now.microseconds - limits.maximumAge...now.microseconds + limits.maximumAhead
        var outside = false
        for index in 0..<buffer.count {
            try buffer.withSample(index) { sample in
                if case .double(let value) = sample.value, !value.isFinite { throw Rejection.valueNotFinite }
                if !window.contains(sample.time.microseconds) { outside = true }
                if let ranges, try !ranges.doubt(about: sample.value, metric: sample.metric).isEmpty { outside = true }
            }
        }
        return outside
    }

    /// The rare case: a copy with every time moved into the accepted window, and with what is out of range marked.
    private mutating func rewrite(_ now: Timestamp, _ device: UnsafeRawBufferPointer, _ ranges: MetricRanges?) throws(WireError) {
        clamped.removeAll()
        try clamped.setDevice(device)
        clamped.sequence = buffer.sequence
        clamped.ingestTime = now
        clamped.source = .mqtt
        for index in 0..<buffer.count {
            let result = buffer.withSample(index) { sample in
                Result { () throws(WireError) in
                    let (time, ofTime) = limits.clamp(sample.time.microseconds, now: now)
                    var doubt = ofTime
                    if ranges?.broken(by: sample.value, metric: sample.metric) != nil {
                        doubt.formUnion(.outOfRange)
                        outOfRange += 1
                    }
                    try clamped.append(
                        metric: sample.metric, unit: sample.unit, time: time, quality: sample.quality.union(doubt), value: sample.value)
                }
            }
            try result.get()
        }
    }
}

extension MetricRanges {
    /// The mark of a value that is out of range.
    /// - Throws: when the type says that such a value is refused.
    fileprivate func doubt(about value: ValueRef, metric: UnsafeRawBufferPointer) throws(Rejection) -> Quality {
        guard let range = broken(by: value, metric: metric) else { return [] }
        guard policy != .reject else { throw .outOfRange(value, metric: metric, range) }
        return .outOfRange
    }
}
