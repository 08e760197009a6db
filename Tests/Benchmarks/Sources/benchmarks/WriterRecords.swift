import Domain
import Foundation
import Wire

/// Records of the `telemetry` topic in a file, as `writer-load` wants them: 1,000 devices in turn, one metric, numbered through.
struct WriterRecords {
    let rows: Int
    let samplesPerRecord: Int
    let stream: UInt64
    private let devices = 1_000

    init(rows: Int, samplesPerRecord: Int, stream: UInt64) {
        self.rows = rows
        self.samplesPerRecord = samplesPerRecord
        self.stream = stream
    }

    func write(to file: URL) throws {
        var bytes: [UInt8] = []
        var buffer = TelemetryBuffer()
        var encoded = WireBuffer()
        let start = Int64(Date().timeIntervalSince1970 * 1e6) - 60_000_000
        let metric = try MetricName("temperature")
        for record in 0..<rows / samplesPerRecord {
            let key = "device-\(record % devices + 10_000)"
            let first = record / devices * samplesPerRecord
            buffer.removeAll()
            buffer.setDevice(try DeviceID(key))
            buffer.ingestTime = Timestamp(microseconds: start)
            buffer.source = .mqtt
            buffer.sequence = StreamSequence(stream: stream, first: UInt64(first), scope: samplesPerRecord > 1 ? .sample : .batch)
            for sample in 0..<samplesPerRecord {
                // One microsecond a row: the order by time is the order of arrival.
                let row = record * samplesPerRecord + sample
                try buffer.append(
                    Sample(
                        metric: metric, time: Timestamp(microseconds: start + Int64(row)), value: .double(20 + Double(row % 1_000) / 100),
                        unit: "C"))
            }
            try TelemetryCodec.encode(buffer, into: &encoded)
            let value = encoded.bytes
            withUnsafeBytes(of: (UInt32(key.utf8.count).littleEndian, UInt32(value.count).littleEndian)) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: key.utf8)
            bytes.append(contentsOf: value)
        }
        try Data(bytes).write(to: file)
    }
}
