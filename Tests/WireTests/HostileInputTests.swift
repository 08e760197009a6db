import Domain
import Foundation
import TestSupport
import Testing
import Wire

/// Bytes that no encoder of ours wrote: an error or a message, never a trap.
@Suite struct HostileInputTests {
    @Test(arguments: try GoldenCases.all()) func everyTruncationIsAnError(_ golden: GoldenCase) throws {
        let whole = golden.change(try golden.message.encoded())
        // What a newer version appended may be cut off: an older reader does not look at it.
        let known = golden.name.hasPrefix("future-") && golden.name != "future-source" ? whole.count - 7 : whole.count
        for length in 0..<known {
            let error = decodingError(Array(whole[..<length]), as: golden.message)
            try #require(error != nil, "\(length) of \(whole.count) bytes")
            #expect(error?.offset ?? 0 <= length)
        }
    }

    @Test(arguments: Seeds.all) func randomBytes(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for round in 0..<8_000 {
            var bytes = random.bytes(Int.random(in: 0...60, using: &random))
            let schema = UInt8(1 + round % 6)
            // Half of them get past the header.
            if round % 2 == 0, bytes.count > 4 { bytes.replaceSubrange(0..<4, with: [0x4D, schema, 1, bytes[3] & 15]) }
            decodeAll(bytes)
        }
    }

    /// What decodes after damage is a message like any other: it can be written, and read again.
    @Test(arguments: Seeds.all) func damagedVectors(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let vectors = try GoldenCases.all().filter { $0.name != "columns-long" }.map { $0.change(try $0.message.encoded()) }
        for _ in 0..<2_500 {
            var bytes = random.pick(vectors)
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&bytes, &random) }
            if let batch = try? TelemetryBatch(decoding: bytes) {
                let again = try TelemetryBatch(decoding: try batch.encoded())
                try #require(render(again) == render(batch.inEncodedOrder()), "MARTLET_TEST_SEED=\(seed)")
            }
            if let event = try? DeviceEvent(decoding: bytes) {
                try #require(try DeviceEvent(decoding: try event.encoded()) == event, "MARTLET_TEST_SEED=\(seed)")
            }
            if let chunk = try? SeriesChunk(decoding: bytes) {
                try #require(render(try SeriesChunk(decoding: chunk.encoded())) == render(chunk), "MARTLET_TEST_SEED=\(seed)")
            }
            if let letter = try? DeadLetter(decoding: bytes) {
                try #require(try DeadLetter(decoding: try letter.encoded()) == letter, "MARTLET_TEST_SEED=\(seed)")
            }
            if let device = try? DeviceRecord(decoding: bytes) {
                try #require(try DeviceRecord(decoding: try device.encoded()) == device, "MARTLET_TEST_SEED=\(seed)")
            }
            if let type = try? DeviceTypeRecord(decoding: bytes) {
                try #require(try DeviceTypeRecord(decoding: try type.encoded()) == type, "MARTLET_TEST_SEED=\(seed)")
            }
        }
    }

    /// Ten thousand announced samples in a few bytes take no memory for ten thousand.
    @Test func announcedCountsReserveNothing() throws {
        var header = try GoldenCases.batch([try GoldenCases.sample(.int(1))]).encoded().prefix(4 + 17 + 9)
        header[3] = 4
        let claims: [[UInt8]] = [
            [0x90, 0x4E],  // 10,000 names
            [0x01, 0x01, 0x74, 0x00, 0x90, 0x4E],  // 10,000 runs
            [0x01, 0x01, 0x74, 0x00, 0x01, 0x00, 0x90, 0x4E, 0x02],  // a run of 10,000 bools
            [0x01, 0x01, 0x74, 0x00, 0x01, 0x00, 0x50, 0x02, 0, 0, 0, 0, 0, 0, 0, 0],  // a run of 80
        ]
        for claim in claims {
            var buffer = TelemetryBuffer()
            let bytes = Array(header) + claim
            #expect(throws: WireError.self) {
                try bytes.withUnsafeBytes { try TelemetryCodec.decode($0, into: &buffer) }
            }
            #expect(buffer.reservedBytes < 8_192)
            #expect(buffer.count == 0)
        }
    }

    @Test func emptyInput() {
        #expect(decodingError([], as: DeadLetter.self)?.code == .truncated)
        var buffer = TelemetryBuffer()
        #expect(throws: WireError(.truncated, offset: 0, field: "magic")) {
            try TelemetryCodec.decode(UnsafeRawBufferPointer(start: nil, count: 0), into: &buffer)
        }
    }

    private func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let place = Int.random(in: 0..<max(1, bytes.count), using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0 where place < bytes.count: bytes.remove(at: place)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: min(place, bytes.count))
        case 2 where place < bytes.count: bytes[place] = random.pick([0, 1, 0x7F, 0x80, 0xFF])
        case 3: bytes.append(contentsOf: random.bytes(3))
        default: if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random) }
        }
    }

    private func decodeAll(_ bytes: [UInt8]) {
        _ = try? TelemetryBatch(decoding: bytes)
        _ = try? DeviceEvent(decoding: bytes)
        _ = try? DeadLetter(decoding: bytes)
        _ = try? SeriesChunk(decoding: bytes)
        _ = try? DeviceRecord(decoding: bytes)
        _ = try? DeviceTypeRecord(decoding: bytes)
    }

    private func decodingError<M: WireMessage>(_ bytes: [UInt8], as message: M) -> WireError? { decodingError(bytes, as: M.self) }

    private func decodingError<M: WireMessage>(_ bytes: [UInt8], as type: M.Type) -> WireError? {
        do throws(WireError) { _ = try M(decoding: bytes) } catch { return error }
        return nil
    }

    private func render(_ message: some GoldenMessage) -> String { JSONForm.object(message.form).render() }
}
