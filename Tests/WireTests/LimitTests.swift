import Domain
import Testing
import Wire

@Suite struct LimitTests {
    @Test func samplesPerBatch() throws {
        var buffer = TelemetryBuffer()
        buffer.setDevice(try DeviceID("d"))
        let sample = try GoldenCases.sample(.int(1))
        for _ in 0..<10_000 { try buffer.append(sample) }
        #expect(throws: WireError(.limitExceeded, offset: 10_000, field: "samples")) { try buffer.append(sample) }
        var output = WireBuffer()
        try TelemetryCodec.encode(buffer, into: &output)
        var decoded = TelemetryBuffer()
        try output.withUnsafeBytes { bytes throws(WireError) in try TelemetryCodec.decode(bytes, into: &decoded) }
        #expect(decoded.count == 10_000)
    }

    @Test func runsTogetherMayNotExceedTheBatch() throws {
        // Two runs of bools with constant times: 10,000 and one more.
        let samples = try (0..<10_000).map { _ in try GoldenCases.sample(.bool(true)) }
        var bytes = try GoldenCases.batch(samples).encoded()
        let runs = 4 + 17 + 9 + 1 + 1 + 11 + 1
        #expect(bytes[runs] == 1)
        bytes[runs] = 2
        bytes += [0, 1, 2, 0, 0x80]
        #expect(decodingError(bytes)?.code == .limitExceeded)
        #expect(decodingError(bytes)?.field == "count")
    }

    @Test func textLengths() throws {
        let longest = try GoldenCases.sample(
            .string(String(repeating: "v", count: 4_096)), metric: String(repeating: "m", count: 128),
            unit: String(repeating: "u", count: 32))
        #expect(try TelemetryBatch(decoding: try GoldenCases.batch([longest]).encoded()).samples == [longest])
        #expect(try TelemetryBatch(decoding: try GoldenCases.batch([longest, longest]).encoded()).samples == [longest, longest])
        for (value, unit, field) in [(4_097, 32, "value"), (4_096, 33, "unit")] {
            let long = try GoldenCases.sample(.string(String(repeating: "v", count: value)), unit: String(repeating: "u", count: unit))
            #expect(throws: WireError(.limitExceeded, offset: 0, field: field)) { try GoldenCases.batch([long]).encoded() }
        }
    }

    @Test func forbiddenCharacters() throws {
        #expect(throws: WireError(.invalidUTF8, offset: 0, field: "value")) {
            try GoldenCases.batch([GoldenCases.sample(.string("a\0b"))]).encoded()
        }
        #expect(throws: WireError(.invalidUTF8, offset: 0, field: "unit")) {
            try GoldenCases.batch([GoldenCases.sample(.int(1), unit: "a\u{85}")]).encoded()
        }
        // The same in a message from outside: the string of a single sample.
        var bytes = try GoldenCases.batch([GoldenCases.sample(.string("ab"))]).encoded()
        bytes[bytes.count - 1] = 0
        #expect(decodingError(bytes) == WireError(.invalidUTF8, offset: bytes.count - 3, field: "value"))
        bytes[bytes.count - 1] = 0xC3
        #expect(decodingError(bytes)?.code == .invalidUTF8)
    }

    @Test func wholeMessage() throws {
        let samples = try (0..<260).map { try GoldenCases.sample(.string(String(repeating: "x", count: 4_090)), at: .seconds($0)) }
        #expect(throws: WireError.self) { try GoldenCases.batch(samples).encoded() }
        #expect(try GoldenCases.batch(Array(samples.prefix(250))).encoded().count < WireLimits.messageBytes)
        #expect(
            decodingError([UInt8](repeating: 0x4D, count: WireLimits.messageBytes + 1))
                == WireError(.limitExceeded, offset: 0, field: "message"))
    }

    @Test func emptyBatch() throws {
        #expect(throws: WireError(.invalidField, offset: 0, field: "samples")) { try GoldenCases.batch([]).encoded() }
        var output = WireBuffer()
        #expect(throws: WireError(.invalidField, offset: 0, field: "device")) {
            try TelemetryCodec.encode(TelemetryBuffer(), into: &output)
        }
    }

    @Test func timesBeyondYear9999() throws {
        let late = Sample(metric: try MetricName("t"), time: Timestamp(microseconds: Timestamp.latest.microseconds + 1), value: .int(1))
        #expect(throws: WireError(.invalidField, offset: 0, field: "time")) { try GoldenCases.batch([late]).encoded() }
        var bytes = try GoldenCases.batch([GoldenCases.sample(.int(1))]).encoded()
        bytes.replaceSubrange(21..<29, with: [UInt8](repeating: 0xFF, count: 7) + [0x7F])
        #expect(decodingError(bytes) == WireError(.invalidField, offset: 21, field: "ingest_time"))
    }

    @Test func sequenceNumbers() throws {
        let two = try (0..<2).map { try GoldenCases.sample(.int(1), at: .seconds($0)) }
        let last = StreamSequence.maximumNumber
        for (first, scope, fits) in [
            (last, StreamSequence.Scope.batch, true), (last + 1, .batch, false), (last - 1, .sample, true), (last, .sample, false),
            (.max, .sample, false),
        ] {
            let batch = try GoldenCases.batch(two, sequence: StreamSequence(stream: 1, first: first, scope: scope))
            #expect((try? batch.encoded() != []) == (fits ? true : nil))
        }
    }

    @Test func varints() throws {
        // The stream id of a single with sequence stands at byte 21.
        let good = try GoldenCases.batch([GoldenCases.sample(.int(1))], sequence: StreamSequence(stream: .max, first: 0)).encoded()
        #expect(Array(good[21..<31]) == [UInt8](repeating: 0xFF, count: 9) + [0x01])
        var bytes = good
        bytes[30] = 0x02
        #expect(decodingError(bytes) == WireError(.varintTooLong, offset: 21, field: "stream"))
        bytes[30] = 0x81
        #expect(decodingError(bytes)?.code == .varintTooLong)
        // Not the shortest form, but within ten bytes: read.
        bytes.replaceSubrange(21..<31, with: [0x85, 0x80, 0x00])
        #expect(try TelemetryBatch(decoding: bytes).sequence?.stream == 5)
    }

    @Test func deadLettersAreCutToFit() throws {
        let letter = DeadLetter(
            payload: [UInt8](repeating: 7, count: 300_000), sourceTopic: String(repeating: "é", count: 600),
            identity: String(repeating: "i", count: 300), stage: .size, reasonCode: "too_long",
            text: "a\0b" + String(repeating: "€", count: 500),
            time: GoldenCases.ingest)
        #expect(letter.payload.count == 262_144)
        #expect(letter.isPayloadCut)
        #expect(letter.sourceTopic.utf8.count == 1_024)
        #expect(letter.identity?.utf8.count == 256)
        #expect(letter.text.hasPrefix("a\u{FFFD}b€"))
        #expect(letter.text.utf8.count <= 1_024)
        #expect(try DeadLetter(decoding: try letter.encoded()) == letter)
    }

    @Test(arguments: ["", "Upper", "with space", "ümlaut", String(repeating: "x", count: 65)]) func reasonCodes(_ code: String) {
        let letter = DeadLetter(
            payload: [], sourceTopic: "t", identity: nil, stage: .decode, reasonCode: code, text: "", time: GoldenCases.ingest)
        #expect(throws: WireError(.invalidField, offset: 0, field: "reason_code")) { try letter.encoded() }
    }

    @Test func eventTexts() throws {
        func event(kind: String = "x", reason: String? = nil, session: String? = nil) throws -> [UInt8] {
            try DeviceEvent(
                device: DeviceID("d"), kind: .other(kind), reason: reason, session: session, time: GoldenCases.measured,
                ingestTime: GoldenCases.ingest, source: .mqtt
            ).encoded()
        }
        #expect(try event(kind: String(repeating: "k", count: 64)).count > 64)
        #expect(throws: WireError(.limitExceeded, offset: 0, field: "kind")) { try event(kind: String(repeating: "k", count: 65)) }
        #expect(throws: WireError(.invalidField, offset: 0, field: "kind")) { try event(kind: "") }
        #expect(throws: WireError(.limitExceeded, offset: 0, field: "reason")) { try event(reason: String(repeating: "r", count: 1_025)) }
        #expect(throws: WireError(.limitExceeded, offset: 0, field: "session")) { try event(session: String(repeating: "s", count: 257)) }
        #expect(throws: WireError(.invalidUTF8, offset: 0, field: "reason")) { try event(reason: "\0") }
    }

    private func decodingError(_ bytes: [UInt8]) -> WireError? {
        do throws(WireError) { _ = try TelemetryBatch(decoding: bytes) } catch { return error }
        return nil
    }
}
