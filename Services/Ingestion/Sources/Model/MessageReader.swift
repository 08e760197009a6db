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
struct MessageReader: ~Copyable {
    private let limits: ReadingLimits
    private var json: DeviceJSONReader
    private var buffer = TelemetryBuffer()
    private var clamped = TelemetryBuffer()
    private var encoded = WireBuffer(capacity: 4_096)

    init(limits: ReadingLimits) {
        self.limits = limits
        json = DeviceJSONReader(limits: limits)
    }

    /// Reads the payload and hands over each record that it makes, after all of it has been found good.
    /// - Returns: how many samples there are.
    mutating func readTelemetry(
        _ payload: UnsafeRawBufferPointer, device: UnsafeRawBufferPointer, properties: MessageProperties, retained: Bool, now: Timestamp,
        _ send: (UnsafeRawBufferPointer) -> Void
    ) throws(Rejection) -> Int {
        if payload.first == WireHeader.magic {
            return try readWire(payload, device: device, properties: properties, now: now, send)
        }
        var context = ReadingContext(device: device, now: now)
        context.retained = retained
        context.stream = properties.stream
        context.sequence = properties.sequence
        defer { json.finish() }
        do { try json.read(payload, context) } catch { throw Rejection(error) }
        // A message is stored whole or refused whole: none of several records leaves before the last has been found good.
        if json.recordCount > 1 { for record in 0..<json.recordCount { try encode(record: record) } }
        for record in 0..<json.recordCount {
            try encode(record: record)
            encoded.withUnsafeBytes(send)
        }
        return json.sampleCount
    }

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

    private mutating func readWire(
        _ payload: UnsafeRawBufferPointer, device: UnsafeRawBufferPointer, properties: MessageProperties, now: Timestamp,
        _ send: (UnsafeRawBufferPointer) -> Void
    ) throws(Rejection) -> Int {
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
            if try needsClamping(now) {
                try clampTimes(now, device)
                try TelemetryCodec.encode(clamped, into: &encoded)
            } else {
                try TelemetryCodec.encode(buffer, into: &encoded)
            }
        } catch let error as WireError { throw Rejection(error) } catch { throw .valueNotFinite }
        encoded.withUnsafeBytes(send)
        return buffer.count
    }

    private func needsClamping(_ now: Timestamp) throws -> Bool {
        let window = now.microseconds - limits.maximumAge...now.microseconds + limits.maximumAhead
        var outside = false
        for index in 0..<buffer.count {
            try buffer.withSample(index) { sample in
                if case .double(let value) = sample.value, !value.isFinite { throw Rejection.valueNotFinite }
                if !window.contains(sample.time.microseconds) { outside = true }
            }
        }
        return outside
    }

    /// The rare case: a copy with every time moved into the accepted window.
    private mutating func clampTimes(_ now: Timestamp, _ device: UnsafeRawBufferPointer) throws(WireError) {
        clamped.removeAll()
        try clamped.setDevice(device)
        clamped.sequence = buffer.sequence
        clamped.ingestTime = now
        clamped.source = .mqtt
        for index in 0..<buffer.count {
            let result = buffer.withSample(index) { sample in
                Result { () throws(WireError) in
                    let (time, doubt) = limits.clamp(sample.time.microseconds, now: now)
                    try clamped.append(
                        metric: sample.metric, unit: sample.unit, time: time, quality: sample.quality.union(doubt), value: sample.value)
                }
            }
            try result.get()
        }
    }
}
