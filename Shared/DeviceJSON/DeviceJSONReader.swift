internal import Domain

/// Reads the readings of one payload: an object of one reading, an object of many, or an array of either.
///
/// One pass over the bytes; what it finds is kept as numbers and slices in reused memory, so that nothing is handed on
/// before the whole payload has been found good. A payload usually makes one record; it makes one per reading when the
/// readings carry sequence numbers that do not follow each other.
///
///     try reader.read(payload, context)
///     for record in 0..<reader.recordCount { try reader.write(record: record, into: &buffer); … }
///     reader.finish()
public struct DeviceJSONReader: ~Copyable {
    public let limits: ReadingLimits
    var scanner: JSONScanner
    var samples: [PendingSample] = []
    var readings: [PendingReading] = []
    var context = ReadingContext(device: UnsafeRawBufferPointer(start: nil, count: 0), now: Timestamp(microseconds: 0))
    private(set) var plan = RecordPlan.whole(nil)

    public init(limits: ReadingLimits = ReadingLimits()) {
        self.limits = limits
        scanner = JSONScanner(maximumDepth: limits.maximumDepth)
    }

    /// Reads the whole payload. `payload` and the context's device must stay valid until `finish`.
    public mutating func read(_ payload: UnsafeRawBufferPointer, _ context: ReadingContext) throws(DeviceJSONError) {
        samples.removeAll(keepingCapacity: true)
        readings.removeAll(keepingCapacity: true)
        guard payload.count <= limits.maximumBytes else {
            throw DeviceJSONError(.jsonTooLarge, "\(payload.count) bytes, at most \(limits.maximumBytes)", at: limits.maximumBytes)
        }
        self.context = context
        scanner.start(payload)
        switch scanner.peek() {
        case UInt8(ascii: "{"): try readReading(depth: 1)
        case UInt8(ascii: "["): try readArray()
        default:
            _ = try scanner.readValue(depth: 1)
            try scanner.expectEnd()
            throw DeviceJSONError(.readingNotObject, "payload", at: 0)
        }
        try scanner.expectEnd()
        guard !samples.isEmpty else { throw DeviceJSONError(.readingsMissing, "payload", at: 0) }
        plan = RecordPlan(readings: readings, stream: context.stream, sequence: context.sequence)
        // Each number is one record: the second one would be taken for a repeat of the first, and dropped.
        if case .perReading = plan, RecordPlan.repeatsNumber(readings) {
            throw DeviceJSONError(.sequenceRepeated, "seq", at: 0)
        }
    }

    /// Lets go of the borrowed bytes.
    public mutating func finish() {
        scanner.finish()
        context.device = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    private mutating func readArray() throws(DeviceJSONError) {
        guard try scanner.open(UInt8(ascii: "["), depth: 1) else { return }
        repeat {
            guard scanner.peek() == UInt8(ascii: "{") else {
                let offset = scanner.index
                _ = try scanner.readValue(depth: 2)
                throw DeviceJSONError(.readingNotObject, "element of the array", at: offset)
            }
            try readReading(depth: 2)
        } while try scanner.next(closing: UInt8(ascii: "]"))
    }

    /// Stands at '{'.
    private mutating func readReading(depth: Int) throws(DeviceJSONError) {
        let start = scanner.index
        let firstSample = samples.count
        var members = Members()
        if try scanner.open(UInt8(ascii: "{"), depth: depth) {
            repeat { try readMember(into: &members, depth: depth) } while try scanner.next(closing: UInt8(ascii: "}"))
        }
        try scanner.checkDevice(members, context.device)
        let time = try scanner.time(of: members, context, limits)
        if samples.count > firstSample || members.hasContainer {
            let value = members[.value]
            guard value.kind == .absent else { throw DeviceJSONError(.valueInvalid, "value beside data", at: Int(value.offset)) }
            for index in firstSample..<samples.count where !samples[index].hasOwnTime { samples[index].set(time) }
        } else {
            try appendSingle(members, time, readingStart: start)
        }
        let sequence = try scanner.sequence(of: members, stream: context.stream)
        let sampleCount = samples.count - firstSample
        guard sampleCount > 0 else { return }
        if let sequence, let last = readings.last, last.sequence == sequence {
            // Neighbours of one number are one reading, one metric each.
            readings[readings.count - 1].sampleCount += sampleCount
        } else {
            readings.append(PendingReading(firstSample: firstSample, sampleCount: sampleCount, sequence: sequence))
        }
    }

    @inline(__always)
    private mutating func readMember(into members: inout Members, depth: Int) throws(DeviceJSONError) {
        let slice = try scanner.readName()
        let name = MemberName(scanner.text(slice))
        let isContainer = name == .data || name == .metrics || name == .params
        if isContainer && scanner.peek() == UInt8(ascii: "{") {
            var value = JSONValue()
            value.kind = .container
            value.offset = Int32(truncatingIfNeeded: scanner.index)
            try members.note(name, value)
            try readMetrics(depth: depth + 1)
        } else {
            let value = try scanner.readValue(depth: depth + 1)
            // `data` that is no object may be anything's business.
            if !isContainer { try members.note(name, value) }
        }
    }

    private mutating func readMetrics(depth: Int) throws(DeviceJSONError) {
        guard try scanner.open(UInt8(ascii: "{"), depth: depth) else { return }
        repeat {
            let offset = scanner.index
            let name = try scanner.readName()
            var sample = PendingSample()
            sample.metric = try checkedMetric(name, offset: offset)
            if scanner.peek() == UInt8(ascii: "{") {
                try readMetricObject(into: &sample, depth: depth + 1)
            } else {
                let value = try scanner.readValue(depth: depth + 1)
                sample.value = try scanner.sampleValue(value)
            }
            try append(sample, offset: offset)
        } while try scanner.next(closing: UInt8(ascii: "}"))
    }

    /// `{"value": …, "unit": …, "timestamp": …, "quality": …}`
    private mutating func readMetricObject(into sample: inout PendingSample, depth: Int) throws(DeviceJSONError) {
        let start = scanner.index
        var members = Members()
        if try scanner.open(UInt8(ascii: "{"), depth: depth) {
            repeat {
                let slice = try scanner.readName()
                let name = MemberName(scanner.text(slice))
                try members.note(name, try scanner.readValue(depth: depth + 1))
            } while try scanner.next(closing: UInt8(ascii: "}"))
        }
        try fill(&sample, members, start: start)
        if members.first(.timestamp, .ts, .time).1.kind != .absent {
            sample.set(try scanner.time(of: members, context, limits))
            sample.hasOwnTime = true
        }
    }

    private mutating func appendSingle(_ members: Members, _ time: ReadingTime, readingStart: Int) throws(DeviceJSONError) {
        let (name, metric) = members.first(.metric, .type, .name)
        guard metric.kind != .absent, metric.kind != .null else {
            throw DeviceJSONError(.metricMissing, "metric, type or name", at: readingStart)
        }
        guard metric.kind == .string else { throw DeviceJSONError(.metricInvalid, name.text, at: Int(metric.offset)) }
        var sample = PendingSample()
        sample.metric = try checkedMetric(metric.text, offset: Int(metric.offset))
        try fill(&sample, members, start: readingStart)
        sample.set(time)
        try append(sample, offset: readingStart)
    }

    private func fill(_ sample: inout PendingSample, _ members: Members, start: Int) throws(DeviceJSONError) {
        let value = members[.value]
        guard value.kind != .absent else { throw DeviceJSONError(.valueMissing, "value", at: start) }
        sample.value = try scanner.sampleValue(value)
        let unit = members[.unit]
        if unit.kind != .absent && unit.kind != .null { sample.unit = try scanner.checkedUnit(unit) }
        sample.quality = try scanner.quality(members[.quality])
    }

    private mutating func append(_ sample: PendingSample, offset: Int) throws(DeviceJSONError) {
        guard samples.count < limits.maximumSamples else {
            throw DeviceJSONError(.readingsTooMany, "more than \(limits.maximumSamples)", at: offset)
        }
        samples.append(sample)
    }

    private func checkedMetric(_ slice: TextSlice, offset: Int) throws(DeviceJSONError) -> TextSlice {
        let valid = MetricName.isValid(scanner.text(slice))
        guard valid else { throw DeviceJSONError(.metricInvalid, "metric", at: offset) }
        return slice
    }
}
