import Domain
import Foundation
import Wire

extension Benchmark {
    static let codec = Benchmark(name: "codec", summary: "Wire against Foundation's JSON coders; bytes per message and per point") { _ in
        let cases = try CodecCases()
        try cases.oneSample()
        try cases.columns()
    }
}

/// The same content for both: one reading as devices send it, and 100 slowly changing samples.
private struct CodecCases {
    let device: DeviceID
    let ingest = Timestamp(microseconds: 1_767_225_600_123_456)
    let one: TelemetryBatch

    init() throws {
        device = try DeviceID("device-000000001")
        let sample = Sample(
            metric: try MetricName("temperature"), time: Timestamp(microseconds: 1_767_225_600_000_000), value: .double(21.5))
        one = TelemetryBatch(device: device, ingestTime: ingest, source: .mqtt, samples: [sample])
    }

    func oneSample() throws {
        let reading = JSONReading(one)
        let (encoder, decoder) = (JSONEncoder(), JSONDecoder())
        let json = try encoder.encode(reading)
        let bytes = try one.encoded()
        var (buffer, output) = (TelemetryBuffer(), WireBuffer())
        let metric = Array("temperature".utf8)

        let encodeJSON = try Measurement(operations: 20_000) { keep(try encoder.encode(reading)) }
        let decodeJSON = try Measurement(operations: 20_000) { keep(try decoder.decode(JSONReading.self, from: json)) }
        // Filling the buffer is part of encoding, reading the sample out of it part of decoding.
        let encode = try Measurement(operations: 1_000_000) {
            buffer.removeAll()
            buffer.setDevice(device)
            buffer.ingestTime = ingest
            buffer.source = .mqtt
            try metric.withUnsafeBytes {
                try buffer.append(metric: $0, unit: nil, time: one.samples[0].time, quality: [], value: .double(21.5))
            }
            try TelemetryCodec.encode(buffer, into: &output)
        }
        let decode = try Measurement(operations: 1_000_000) {
            try bytes.withUnsafeBytes { try TelemetryCodec.decode($0, into: &buffer) }
            buffer.withSample(0) { keep($0.time) }
        }
        let encodeValue = try Measurement(operations: 200_000) { try one.encode(into: &output) }
        let decodeValue = try Measurement(operations: 200_000) { keep(try TelemetryBatch(decoding: bytes)) }

        print("one sample: \(bytes.count) bytes in Wire, \(json.count) in JSON")
        table([
            ("Foundation JSONEncoder", encodeJSON, nil), ("Wire encode (TelemetryBuffer)", encode, encodeJSON),
            ("Wire encode (TelemetryBatch)", encodeValue, encodeJSON), ("Foundation JSONDecoder", decodeJSON, nil),
            ("Wire decode (TelemetryBuffer)", decode, decodeJSON), ("Wire decode (TelemetryBatch)", decodeValue, decodeJSON),
        ])
        try check(encodeJSON.nanoseconds / encode.nanoseconds >= 20, "encode is less than 20 times as fast as JSONEncoder")
        try check(decodeJSON.nanoseconds / decode.nanoseconds >= 20, "decode is less than 20 times as fast as JSONDecoder")
        try check(bytes.count <= 48, "one sample takes more than 48 bytes")
        try check(encode.allocations == 0 && decode.allocations == 0, "the hot path allocates")
    }

    func columns() throws {
        print("\nbatches of 100 samples of one series")
        for (name, values) in Self.seriesOfHundred() {
            let samples = zip(values, Self.times(jitter: name.hasSuffix("jitter"))).map {
                Sample(metric: one.samples[0].metric, time: $1, value: $0)
            }
            let batch = TelemetryBatch(device: device, ingestTime: ingest, source: .mqtt, samples: samples)
            let bytes = try batch.encoded()
            var (buffer, output) = (TelemetryBuffer(), WireBuffer())
            try batch.fill(&buffer)
            let encode = try Measurement(operations: 20_000) { try TelemetryCodec.encode(buffer, into: &output) }
            let decode = try Measurement(operations: 20_000) { try bytes.withUnsafeBytes { try TelemetryCodec.decode($0, into: &buffer) } }
            let perPoint = Double(bytes.count) / 100
            print(
                "  \(name.padded(to: 44)) \(format(perPoint, 2)) bytes/point   encode \(format(encode.nanoseconds / 100, 1)) ns/point"
                    + "   decode \(format(decode.nanoseconds / 100, 1)) ns/point   allocations \(encode.allocations + decode.allocations)")
            if name.hasPrefix("slow") { try check(perPoint <= 2, "\(name) takes more than 2 bytes per point") }
        }
    }

    /// Once a second; with jitter, up to 5 ms off.
    private static func times(jitter: Bool) -> [Timestamp] {
        var random = LinearRandom()
        return (0..<100).map {
            Timestamp(microseconds: 1_767_225_600_000_000 + Int64($0) * 1_000_000 + (jitter ? Int64(random.below(11)) * 1_000 - 5_000 : 0))
        }
    }

    private static func seriesOfHundred() -> [(String, [MetricValue])] {
        var random = LinearRandom()
        func walk(_ start: Int, _ step: Int) -> [Int] {
            var level = start
            return (0..<100).map { _ in
                level += random.below(2 * step + 1) - step
                return level
            }
        }
        return [
            ("slow decimals, ±0.3 in steps of 0.1", walk(215, 3).map { .double(Double($0) / 10) }),
            ("slow decimals, ±0.03 in steps of 0.01", walk(101_325, 3).map { .double(Double($0) / 100) }),
            ("slow decimals, ±0.1, jitter", walk(215, 1).map { .double(Double($0) / 10) }),
            ("slow integers, ±2", walk(40, 2).map { .int(Int64($0)) }),
            ("constant double", [MetricValue](repeating: .double(.pi), count: 100)),
            ("bools", walk(0, 1).map { .bool($0 % 2 == 0) }),
            ("sine in full precision (XOR column)", (0..<100).map { .double(sin(Double($0) / 20)) }),
        ]
    }

    private func table(_ rows: [(String, Measurement, Measurement?)]) {
        for (name, measured, baseline) in rows {
            let ratio = baseline.map { "   \(format($0.nanoseconds / measured.nanoseconds, 1)) × as fast" } ?? ""
            print("  \(name.padded(to: 32)) \(format(measured.nanoseconds, 1)) ns   \(format(measured.allocations, 1)) allocations\(ratio)")
        }
    }

    private func check(_ holds: Bool, _ failure: String) throws {
        if !holds { throw Missed(description: "target missed: \(failure)") }
    }
}

private struct Missed: Error, CustomStringConvertible { let description: String }

func format(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Fixed steps of the same kind each run (Numerical Recipes' quick generator).
private struct LinearRandom {
    private var state: UInt32 = 1

    mutating func below(_ bound: Int) -> Int {
        state = state &* 1_664_525 &+ 1_013_904_223
        return Int(state >> 16) % bound
    }
}

/// The same content as a `TelemetryBatch` of one sample, as one would declare it for Foundation's coders.
private struct JSONReading: Codable {
    var device: String
    var ingestTime: Int64
    var source: String
    var metric: String
    var time: Int64
    var value: Double

    init(_ batch: TelemetryBatch) {
        device = batch.device.text
        ingestTime = batch.ingestTime.microseconds
        source = "mqtt"
        metric = batch.samples[0].metric.text
        time = batch.samples[0].time.microseconds
        value = 21.5
    }
}
