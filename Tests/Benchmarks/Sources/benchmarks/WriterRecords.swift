import Domain
import Foundation
import Wire

/// Records of the `telemetry` topic in a file, as `writer-load` wants them: devices in turn, one metric, numbered through.
struct WriterRecords {
    enum Shape {
        /// Of the last minute, one microsecond a row: the order by time is the order of arrival.
        case dense
        /// One in 10 s of each device, from a time on (microseconds since the Unix epoch); values stay for minutes and then step by tenths.
        case slow(from: Int64, isJittered: Bool)
    }

    let rows: Int
    let samplesPerRecord: Int
    let stream: UInt64
    let devices: Int
    private let shape: Shape
    private var random = SplitMix(state: 0x5EA1)
    /// In tenths, by device.
    private var values: [Int]

    init(rows: Int, samplesPerRecord: Int, stream: UInt64, devices: Int = 1_000, shape: Shape = .dense) {
        self.rows = rows
        self.samplesPerRecord = samplesPerRecord
        self.stream = stream
        self.devices = devices
        self.shape = shape
        values = (0..<devices).map { 200 + $0 }
    }

    func write(to file: URL) throws {
        var (source, bytes) = (self, [UInt8]())
        var buffer = TelemetryBuffer()
        var encoded = WireBuffer()
        let now = Int64(Date().timeIntervalSince1970 * 1e6)
        let metric = try MetricName("temperature")
        for record in 0..<rows / samplesPerRecord {
            let key = "device-\(record % devices + 10_000)"
            let first = record / devices * samplesPerRecord
            buffer.removeAll()
            buffer.setDevice(try DeviceID(key))
            buffer.ingestTime = Timestamp(microseconds: now)
            buffer.source = .mqtt
            buffer.sequence = StreamSequence(stream: stream, first: UInt64(first), scope: samplesPerRecord > 1 ? .sample : .batch)
            for sample in 0..<samplesPerRecord {
                let (time, value) = source.point(record, sample, now)
                try buffer.append(Sample(metric: metric, time: Timestamp(microseconds: time), value: .double(value), unit: "C"))
            }
            try TelemetryCodec.encode(buffer, into: &encoded)
            let value = encoded.bytes
            withUnsafeBytes(of: (UInt32(key.utf8.count).littleEndian, UInt32(value.count).littleEndian)) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: key.utf8)
            bytes.append(contentsOf: value)
        }
        try Data(bytes).write(to: file)
    }

    private mutating func point(_ record: Int, _ sample: Int, _ now: Int64) -> (time: Int64, value: Double) {
        switch shape {
        case .dense:
            let row = record * samplesPerRecord + sample
            return (now - 60_000_000 + Int64(row), 20 + Double(row % 1_000) / 100)
        case .slow(let start, let isJittered):
            let (device, number) = (record % devices, record / devices * samplesPerRecord + sample)
            if random.next() % 20 == 0 { values[device] += Int(random.next() % 7) - 3 }
            let jitter = isJittered ? Int64(random.next() % 40) * 1_000 : 0
            return (start + Int64(number) * 10_000_000 + Int64(device % 9_000) * 1_000 + jitter, Double(values[device]) / 10)
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same rows each time.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
