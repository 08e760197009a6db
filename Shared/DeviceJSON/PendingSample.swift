public import Domain
public import Wire

/// A sample between reading and writing: numbers and slices only.
struct PendingSample {
    enum Value {
        case none
        case double(Double)
        case int(Int64)
        case bool(Bool)
        case text(TextSlice)
    }

    var metric = TextSlice()
    var unit: TextSlice?
    var value = Value.none
    var time = Timestamp(microseconds: 0)
    var quality: Quality = []
    var hasOwnTime = false

    @inline(__always)
    mutating func set(_ reading: ReadingTime) {
        time = reading.time
        quality.formUnion(reading.quality)
    }
}

/// Time of a reading, with what had to be done to it.
struct ReadingTime {
    var time: Timestamp
    var quality: Quality
}

struct PendingReading {
    var firstSample: Int
    var sampleCount: Int
    var sequence: StreamSequence?
}

/// How the readings of one payload become records.
enum RecordPlan {
    /// All in one record.
    case whole(StreamSequence?)
    /// One record per reading, each with its own sequence.
    case perReading

    init(readings: [PendingReading], stream: UInt64?, sequence: UInt64?) {
        if let sequence {
            self = .whole(StreamSequence(stream: stream ?? readings.first?.sequence?.stream ?? 0, first: sequence, scope: .batch))
            return
        }
        guard readings.count > 1 else {
            self = .whole(readings.first?.sequence)
            return
        }
        if readings.allSatisfy({ $0.sequence == nil }) {
            self = .whole(nil)
            return
        }
        self = Self.consecutive(readings).map { .whole($0) } ?? .perReading
    }

    /// Whether two readings have the same stream and number. Costs memory only when the numbers do not rise.
    static func repeatsNumber(_ readings: [PendingReading]) -> Bool {
        let numbers = readings.compactMap(\.sequence)
        let rising = zip(numbers, numbers.dropFirst()).allSatisfy { $0.stream == $1.stream && $0.first < $1.first }
        return !rising && Set(numbers).count < numbers.count
    }

    /// One sample each, numbers of one stream that follow each other.
    private static func consecutive(_ readings: [PendingReading]) -> StreamSequence? {
        guard let first = readings.first?.sequence else { return nil }
        for (index, reading) in readings.enumerated() {
            guard reading.sampleCount == 1, let sequence = reading.sequence, sequence.stream == first.stream,
                sequence.first == first.first + UInt64(index)
            else { return nil }
        }
        return StreamSequence(stream: first.stream, first: first.first, scope: .sample)
    }
}

extension DeviceJSONReader {
    /// Records that the payload makes; valid after `read`.
    public var recordCount: Int {
        switch plan {
        case .whole: 1
        case .perReading: readings.count
        }
    }

    /// Samples of the whole payload.
    public var sampleCount: Int { samples.count }

    /// Fills the buffer with one record, as if all of it had come in now by MQTT; set another source afterwards if need be.
    public func write(record: Int, into buffer: inout TelemetryBuffer) throws(WireError) {
        buffer.removeAll()
        try buffer.setDevice(context.device)
        buffer.ingestTime = context.now
        buffer.source = .mqtt
        switch plan {
        case .whole(let sequence):
            buffer.sequence = sequence
            try write(0..<samples.count, into: &buffer)
        case .perReading:
            let reading = readings[record]
            buffer.sequence = reading.sequence
            try write(reading.firstSample..<reading.firstSample + reading.sampleCount, into: &buffer)
        }
    }

    /// Time and number of the payload's only sample; nil when it has several.
    public var single: (time: Timestamp, sequence: StreamSequence?)? {
        guard samples.count == 1, case .whole(let sequence) = plan else { return nil }
        return (samples[0].time, sequence)
    }

    /// Shows every value that was read to `doubt`, and marks it with what comes back. An error leaves what was read as it is.
    public mutating func review<Failure>(
        _ doubt: (_ metric: UnsafeRawBufferPointer, _ value: ValueRef) throws(Failure) -> Quality
    ) throws(Failure) {
        for index in samples.indices {
            guard let value = value(of: samples[index]) else { continue }
            samples[index].quality.formUnion(try doubt(scanner.text(samples[index].metric), value))
        }
    }

    /// Adds the payload's samples to a record that has some already. One sample that is refused leaves the record as it was.
    public func append(to buffer: inout TelemetryBuffer) throws(WireError) { try write(0..<samples.count, into: &buffer) }

    private func write(_ range: Range<Int>, into buffer: inout TelemetryBuffer) throws(WireError) {
        for index in range {
            let sample = samples[index]
            guard let value = value(of: sample) else { continue }
            try buffer.append(
                metric: scanner.text(sample.metric), unit: sample.unit.map { scanner.text($0) }, time: sample.time,
                quality: sample.quality, value: value)
        }
    }

    @inline(__always)
    private func value(of sample: PendingSample) -> ValueRef? {
        switch sample.value {
        case .none: nil
        case .double(let double): .double(double)
        case .int(let int): .int(int)
        case .bool(let bool): .bool(bool)
        case .text(let slice): .string(scanner.text(slice))
        }
    }
}
