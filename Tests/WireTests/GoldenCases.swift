import Domain
import TestSupport
import Wire

/// One vector: NAME.hex and NAME.json in Golden/.
struct GoldenCase: CustomStringConvertible, Sendable {
    enum Direction: String, Sendable {
        case both
        /// These bytes decode to this content; this version's encoder writes others.
        case decode
        /// This content encodes to these bytes; decoding gives the samples in encoded order.
        case encode
    }

    let name: String
    let about: String
    let message: any GoldenMessage
    var direction = Direction.both
    /// What becomes of the encoded bytes in a `.decode` case.
    var change: @Sendable ([UInt8]) -> [UInt8] = { $0 }

    var description: String { name }

    var json: String {
        let members: [(String, JSONForm)] = [("about", .text(about)), ("direction", .text(direction.rawValue))]
        return JSONForm.object(members + message.form).render() + "\n"
    }
}

enum GoldenCases {
    static let ingest = Timestamp(microseconds: 1_767_225_600_123_456)
    static let measured = Timestamp(microseconds: 1_767_225_600_000_000)

    static func all() throws -> [GoldenCase] { try singles() + columns() + events() + deadLetters() + chunks() + registry() + future() }

    static func batch(
        _ samples: [Sample], sequence: StreamSequence? = nil, ingest: Timestamp = ingest, source: SourceProtocol = .mqtt
    ) throws -> TelemetryBatch {
        TelemetryBatch(device: try DeviceID("device-000000001"), sequence: sequence, ingestTime: ingest, source: source, samples: samples)
    }

    static func sample(
        _ value: MetricValue, metric: String = "temperature", at offset: Duration = .zero, unit: String? = nil, quality: Quality = []
    ) throws -> Sample {
        Sample(metric: try MetricName(metric), time: measured.advanced(by: offset), value: value, unit: unit, quality: quality)
    }

    private static func single(
        _ name: String, _ about: String, _ value: MetricValue, unit: String? = nil, quality: Quality = [], sequence: StreamSequence? = nil,
        source: SourceProtocol = .mqtt
    ) throws -> GoldenCase {
        let one = try sample(value, unit: unit, quality: quality)
        return GoldenCase(name: name, about: about, message: try batch([one], sequence: sequence, source: source))
    }

    private static func singles() throws -> [GoldenCase] {
        [
            try single("single-decimal", "One sample, a short decimal", .double(21.5)),
            try single("single-decimal-negative", "A decimal with seven digits of fraction", .double(-0.000_000_1)),
            try single("single-double-pi", "No short decimal: raw bits", .double(.pi)),
            try single("single-double-negative-zero", "-0.0 keeps its sign", .double(-0.0)),
            try single("single-double-nan", "NaN keeps its payload", .double(Double(bitPattern: 0x7FF8_0000_DEAD_BEEF))),
            try single("single-double-infinity", "Infinity", .double(-.infinity)),
            try single("single-double-subnormal", "The smallest double above zero", .double(.leastNonzeroMagnitude)),
            try single("single-double-large", "A whole number too long for the decimal form", .double(281_474_976_710_656)),
            try single("single-int", "An integer", .int(-42)),
            try single("single-int-minimum", "The smallest integer", .int(.min)),
            try single("single-true", "A bool", .bool(true)),
            try single("single-false", "A bool", .bool(false)),
            try single("single-string", "A string", .string("läuft ☀️")),
            try single("single-string-empty", "An empty string", .string("")),
            try single("single-unit-quality", "Unit and quality", .double(21.5), unit: "°C", quality: [.uncertain, .timeClamped]),
            try single("single-quality", "Quality without a unit", .int(7), quality: .timeAssigned, source: .lorawan),
            try single(
                "single-sequence", "Sequence of scope batch", .double(1013.25), unit: "hPa",
                sequence: StreamSequence(stream: 0xDEAD_BEEF_CAFE_F00D, first: 300), source: .coap),
            try single(
                "single-sequence-sample", "Sequence of scope sample, the last number that there is", .int(1),
                sequence: StreamSequence(stream: 1, first: StreamSequence.maximumNumber, scope: .sample)),
            GoldenCase(
                name: "single-earliest", about: "The first time and the last",
                message: try batch(
                    [Sample(metric: MetricName("t"), time: .earliest, value: .int(0))], ingest: .latest)),
        ]
    }

    private static func columns() throws -> [GoldenCase] {
        let regular = try (0..<20).map { try sample(.double(Double(215 + $0 % 4) / 10), at: .seconds($0), unit: "°C") }
        let jitter = try [0, 1_003, 1_998, 3_001, 3_001, 2_500].map { try sample(.int(Int64($0)), metric: "count", at: .milliseconds($0)) }
        let doubles = try [1.0, .pi, .pi, -2.5e300, 0.1 + 0.2, .nan, -0.0].enumerated().map {
            try sample(.double($0.element), metric: "odd", at: .microseconds($0.offset * 17))
        }
        let integers = try [0, 1, -7, 100, -100_000, 5_000_000_000, .max, .min, .min].enumerated().map {
            try sample(.int($0.element), metric: "level", at: .seconds($0.offset * 10))
        }
        let bools = try (0..<11).map { try sample(.bool($0 % 3 == 0), metric: "open", at: .seconds($0 * $0)) }
        let strings = try ["", "a", "größer", "\u{1F600}"].enumerated().map {
            try sample(.string($0.element), metric: "state", at: .seconds($0.offset))
        }
        let qualities = try (0..<5).map { try sample(.int(5), metric: "q", at: .seconds($0), quality: Quality(rawValue: UInt8($0))) }
        let reading = [
            try sample(.double(21.5), unit: "°C"), try sample(.double(40), metric: "humidity", unit: "%", quality: .bad),
            try sample(.int(3), metric: "errors"), try sample(.bool(true), metric: "on"), try sample(.string("ok"), metric: "state"),
        ]
        let interleaved = try (0..<6).map { try sample($0 % 2 == 0 ? .int(Int64($0)) : .double(0.5), at: .seconds($0)) }
        return [
            GoldenCase(name: "columns-regular", about: "Decimals once a second", message: try batch(regular)),
            GoldenCase(name: "columns-jitter", about: "Times in milliseconds, also backwards", message: try batch(jitter)),
            GoldenCase(name: "columns-doubles", about: "XOR column: no common exponent", message: try batch(doubles)),
            GoldenCase(
                name: "columns-integers", about: "Differences of every size, also around the end of the range", message: try batch(integers)
            ),
            GoldenCase(name: "columns-bools", about: "Eleven bools", message: try batch(bools)),
            GoldenCase(name: "columns-strings", about: "Strings", message: try batch(strings)),
            GoldenCase(name: "columns-qualities", about: "A quality per sample", message: try batch(qualities)),
            GoldenCase(
                name: "columns-reading", about: "One reading of five metrics: runs share their time",
                message: try batch(reading, sequence: StreamSequence(stream: 9, first: 1_000_000), source: .http)),
            GoldenCase(
                name: "columns-sample-scope", about: "Each sample has its number: the order is kept",
                message: try batch(
                    interleaved, sequence: StreamSequence(stream: 9, first: 77, scope: .sample), source: .edge)),
            GoldenCase(
                name: "columns-grouped", about: "Without a number per sample, samples are grouped by series and type",
                message: try batch(interleaved), direction: .encode),
            GoldenCase(
                name: "columns-long", about: "1,000 samples of three series, seed 7", message: try batch(walk()), direction: .encode),
        ]
    }

    /// Three series that wander, interleaved.
    private static func walk() throws -> [Sample] {
        var random = SeededRandom(seed: 7)
        var levels = [200, 1_000, 5]
        return try (0..<1_000).map { index in
            let series = index % 3
            levels[series] += Int.random(in: -2...2, using: &random)
            return try sample(
                series == 2 ? .int(Int64(levels[2])) : .double(Double(levels[series]) / 10), metric: ["a", "b", "c"][series],
                at: .milliseconds(index * 100 + Int.random(in: -3...3, using: &random)))
        }
    }

    private static func events() throws -> [GoldenCase] {
        func event(_ kind: DeviceEvent.Kind, reason: String? = nil, session: String? = nil) throws -> DeviceEvent {
            DeviceEvent(
                device: try DeviceID("pump-7"), kind: kind, reason: reason, session: session, time: measured, ingestTime: ingest,
                source: .mqtt)
        }
        return [
            GoldenCase(name: "event-online", about: "A device came", message: try event(.online, session: "s-1")),
            GoldenCase(
                name: "event-offline", about: "A device went", message: try event(.offline, reason: "keep-alive timeout", session: "s-1")),
            GoldenCase(name: "event-error", about: "A device reports an error", message: try event(.error, reason: "E42: Überdruck")),
            GoldenCase(name: "event-other", about: "A kind that is not listed", message: try event(.other("rebooted"))),
        ]
    }

    private static func deadLetters() throws -> [GoldenCase] {
        func letter(
            _ payload: [UInt8], identity: String? = "pump-7", stage: DeadLetter.Stage = .decode, origin: DeadLetter.Origin? = nil
        ) -> DeadLetter {
            DeadLetter(
                payload: payload, sourceTopic: "v1/d/pump-7/telemetry", identity: identity, stage: stage, reasonCode: "json_syntax",
                text: "unexpected end after 12 bytes", time: ingest, origin: origin)
        }
        return try [
            GoldenCase(name: "dead-letter", about: "Bytes that could not be read", message: letter(Array(#"{"value": 21"#.utf8))),
            GoldenCase(name: "dead-letter-empty", about: "No bytes, no identity", message: letter([], identity: nil, stage: .schema)),
            GoldenCase(
                name: "dead-letter-origin", about: "A Kafka record that could not be stored",
                message: letter(
                    [0, 255, 128], stage: .store,
                    origin: DeadLetter.Origin(topic: "telemetry", partition: 11, offset: 9_007_199_254_740_993))),
            GoldenCase(
                name: "dead-letter-cut", about: "Flag 4: the original was longer (here the flag is set by hand)",
                message: DeadLetter(decoding: setCutFlag(letter([1, 2, 3]).encoded()))),
        ]
    }

    private static func setCutFlag(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes[3] |= 4
        return bytes
    }

    private static func future() throws -> [GoldenCase] {
        let newer: @Sendable ([UInt8]) -> [UInt8] = { old in
            var bytes = old
            bytes[2] = 9
            return bytes + [0x05, 0x66, 0x75, 0x74, 0x75, 0x72, 0xFF]
        }
        let columns = try (0..<3).map { try sample(.int(Int64($0)), at: .seconds($0)) }
        return [
            GoldenCase(
                name: "future-single", about: "Version 9 with fields appended: a reader of version 1 skips them",
                message: try batch([sample(.double(21.5))]), direction: .decode, change: newer),
            GoldenCase(
                name: "future-columns", about: "The same in columns", message: try batch(columns), direction: .decode, change: newer),
            GoldenCase(
                name: "future-event", about: "The same for an event",
                message: DeviceEvent(
                    device: try DeviceID("pump-7"), kind: .online, time: measured, ingestTime: ingest, source: .http), direction: .decode,
                change: newer),
            GoldenCase(
                name: "future-dead-letter", about: "The same for a dead letter",
                message: DeadLetter(
                    payload: [1], sourceTopic: "t", identity: nil, stage: .rate, reasonCode: "too_fast", text: "", time: ingest),
                direction: .decode, change: newer),
            GoldenCase(
                name: "future-chunk", about: "The same for a chunk", message: SeriesChunk(points: points([.int(1), .int(2)])),
                direction: .decode, change: newer),
            GoldenCase(
                name: "future-device", about: "The same for a device", message: try deviceRecord(), direction: .decode, change: newer),
            GoldenCase(
                name: "future-device-type", about: "The same for a type", message: try typeRecord(), direction: .decode, change: newer),
            GoldenCase(
                name: "future-source", about: "A source that version 1 does not list reads as unknown",
                message: try batch([sample(.int(1))], source: .unknown), direction: .decode,
                change: { old in
                    var bytes = old
                    bytes[4 + 1 + 16 + 8] = 200
                    return bytes
                }),
        ]
    }
}
