import Domain
import Foundation
import Wire

extension Benchmark {
    static let codec = Benchmark(
        name: "codec", summary: "Wire against Protocol Buffers in C++ and Foundation's JSON coders; bytes per message and per point"
    ) { _ in
        let cases = try CodecCases()
        var misses: [String] = []
        try cases.oneSample(&misses)
        try cases.columns(&misses)
        try cases.varied(&misses)
        if !misses.isEmpty { throw BenchmarkFailure("targets missed: " + misses.joined(separator: "; ")) }
    }
}

/// The same content for all: one reading as devices send it, and 100 slowly changing samples.
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

    func oneSample(_ misses: inout [String]) throws {
        let bytes = try one.encoded()
        let json = try JSONEncoder().encode(JSONReading(one))
        let protobuf = try ProtobufBaseline()
        print("one sample: \(bytes.count) bytes in Wire, \(try protobuf.ask("size")) in protobuf, \(json.count) in JSON")
        let encode = try Contest(
            wire: try wireEncode(), protobuf: { try protobuf.ask("encode 1000000") }, json: try jsonEncode())
        let decode = try Contest(
            wire: wireDecode(bytes), protobuf: { try protobuf.ask("decode 1000000") }, json: jsonDecode(json))
        for (name, contest) in [("encode", encode), ("decode", decode)] {
            contest.show(name)
            if contest.overProtobuf < 2 { misses.append("\(name) is \(format(contest.overProtobuf, 2)) × as fast as protobuf, wanted 2") }
            if contest.overJSON < 20 { misses.append("\(name) is \(format(contest.overJSON, 1)) × as fast as JSON, wanted 20") }
            if contest.allocations > 0 { misses.append("\(name) allocates") }
        }
        let encodeValue = try Measurement(operations: 200_000) { keep(try one.encoded()) }
        let decodeValue = try Measurement(operations: 200_000) { keep(try TelemetryBatch(decoding: bytes)) }
        print(
            "  TelemetryBatch, the comfortable form: encode \(format(encodeValue.nanoseconds, 0)) ns, decode "
                + "\(format(decodeValue.nanoseconds, 0)) ns")
        if bytes.count > 48 { misses.append("one sample takes \(bytes.count) bytes, wanted 48") }
    }

    /// Filling the buffer is part of encoding, as setting the fields is with protobuf.
    private func wireEncode() throws -> () throws -> Measurement {
        let (metric, identity) = (Array("temperature".utf8), Array(device.text.utf8))
        return {
            var (buffer, output) = (TelemetryBuffer(), WireBuffer())
            return try metric.withUnsafeBytes { metric in
                try identity.withUnsafeBytes { identity in
                    try Measurement(rounds: 1, operations: 1_000_000) {
                        buffer.removeAll()
                        try buffer.setDevice(identity)
                        buffer.ingestTime = ingest
                        buffer.source = .mqtt
                        try buffer.append(
                            metric: metric, unit: nil, time: Timestamp(microseconds: 1_767_225_600_000_000), quality: [],
                            value: .double(21.5))
                        try TelemetryCodec.encode(buffer, into: &output)
                    }
                }
            }
        }
    }

    /// Reading the sample out of the buffer is part of decoding.
    private func wireDecode(_ bytes: [UInt8]) -> () throws -> Measurement {
        {
            var buffer = TelemetryBuffer()
            return try bytes.withUnsafeBytes { bytes in
                try Measurement(rounds: 1, operations: 1_000_000) {
                    try TelemetryCodec.decode(bytes, into: &buffer)
                    buffer.forEachSample { keep($1.time) }
                }
            }
        }
    }

    private func jsonEncode() throws -> () throws -> Measurement {
        let (encoder, reading) = (JSONEncoder(), JSONReading(one))
        return { try Measurement(rounds: 1, operations: 20_000) { keep(try encoder.encode(reading)) } }
    }

    private func jsonDecode(_ json: Data) -> () throws -> Measurement {
        let decoder = JSONDecoder()
        return { try Measurement(rounds: 1, operations: 20_000) { keep(try decoder.decode(JSONReading.self, from: json)) } }
    }

    func columns(_ misses: inout [String]) throws {
        print("\nbatches of 100 samples of one series, and the same as a chunk")
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
            let chunk = try Self.chunk(of: buffer)
            print(
                "  \(name.padded(to: 40)) \(format(perPoint, 2)) bytes/point  encode \(format(encode.nanoseconds / 100, 1)) decode "
                    + "\(format(decode.nanoseconds / 100, 1)) ns/point   chunk \(format(chunk.bytes, 2)) bytes/point  encode "
                    + "\(format(chunk.encode.nanoseconds / 100, 1)) decode \(format(chunk.decode.nanoseconds / 100, 1)) ns/point")
            let allocations = encode.allocations + decode.allocations + chunk.encode.allocations + chunk.decode.allocations
            if allocations > 0 { misses.append("\(name): \(allocations) allocations") }
            if name.hasPrefix("slow") && perPoint > 2 { misses.append("\(name) takes \(format(perPoint, 2)) bytes per point, wanted 2") }
        }
    }

    private static func chunk(of buffer: TelemetryBuffer) throws -> (bytes: Double, encode: Measurement, decode: Measurement) {
        var (chunk, output) = (ChunkBuffer(), WireBuffer())
        buffer.forEachSample { chunk.append(time: $1.time, quality: $1.quality, value: $1.value) }
        let base = Timestamp(microseconds: 1_767_225_600_000_000)
        let encode = try Measurement(operations: 20_000) { try SeriesChunkCodec.encode(chunk, base: base, into: &output) }
        let bytes = output.bytes
        let decode = try Measurement(operations: 20_000) {
            try bytes.withUnsafeBytes { try SeriesChunkCodec.decode($0, base: base, into: &chunk) }
        }
        return (Double(bytes.count) / 100, encode, decode)
    }

    /// The same points in columns and alone, with the same call, and nothing read out of the buffer on either side. Many different
    /// messages in turn: one and the same again and again would be learnt by the processor's branch predictor.
    func varied(_ misses: inout [String]) throws {
        let batches = Self.wanderingBatches(of: one)
        let columns = try batches.map { try $0.encoded() }
        let alone = try batches.flatMap { batch in
            try stride(from: 0, to: batch.samples.count, by: 10).map { index in
                var single = batch
                single.samples = [batch.samples[index]]
                return try single.encoded()
            }
        }
        let rounds = try (0..<7).map { _ in (try Self.decode(alone, samples: 1), try Self.decode(columns, samples: 100)) }
        let ratio = median(rounds.map { $0 / $1 })
        print(
            "\n256 different batches in turn: decode \(format(median(rounds.map(\.1)), 1)) ns/point; every tenth of their samples alone "
                + "\(format(median(rounds.map(\.0)), 1)) ns: \(format(ratio, 1)) × as fast per point")
        if ratio < 10 { misses.append("decode of columns is \(format(ratio, 1)) × as fast per point as of one sample, wanted 10") }
    }

    /// - Returns: Nanoseconds a sample.
    private static func decode(_ messages: [[UInt8]], samples: Int) throws -> Double {
        var buffer = TelemetryBuffer()
        let decode = try Measurement(rounds: 1, operations: 100) {
            for message in messages { try message.withUnsafeBytes { try TelemetryCodec.decode($0, into: &buffer) } }
        }
        return decode.nanoseconds / Double(messages.count * samples)
    }

    /// 256 batches of 100 samples, one a second, up to ±0.3 from one to the next.
    private static func wanderingBatches(of one: TelemetryBatch) -> [TelemetryBatch] {
        var random = LinearRandom()
        let times = times(jitter: false)
        return (0..<256).map { _ in
            var level = 215
            var batch = one
            batch.samples = times.map { time in
                level += random.below(7) - 3
                return Sample(metric: one.samples[0].metric, time: time, value: .double(Double(level) / 10))
            }
            return batch
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
}

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
