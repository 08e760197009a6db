import Domain
import TestSupport
import Testing
import Wire

@Suite struct SeriesChunkTests {
    /// Every chunk comes back bit for bit, in its order, also through buffers that held something else before.
    @Test(arguments: Seeds.all) func roundTrip(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var (filled, output, decoded) = (ChunkBuffer(), WireBuffer(), ChunkBuffer())
        for round in 0..<200 {
            let chunk = random.chunk(maximumPoints: round % 20 == 0 ? 3_000 : 80)
            chunk.fill(&filled)
            try SeriesChunkCodec.encode(filled, base: SeriesChunk.base, into: &output)
            try output.withUnsafeBytes { bytes throws(WireError) in
                try SeriesChunkCodec.decode(bytes, base: SeriesChunk.base, into: &decoded)
            }
            try #require(decoded.count == chunk.points.count)
            try #require(render(SeriesChunk(decoded)) == render(chunk), "MARTLET_TEST_SEED=\(seed)")
            try #require(try chunk.encoded() == output.bytes, "MARTLET_TEST_SEED=\(seed)")
            // What was decoded is a chunk like any other: appending and encoding go on from there.
            try SeriesChunkCodec.encode(decoded, base: SeriesChunk.base, into: &output)
            try #require(output.bytes == (try chunk.encoded()), "MARTLET_TEST_SEED=\(seed)")
        }
    }

    @Test(arguments: Seeds.all) func everyDouble(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let count = Int.random(in: 1...40, using: &random)
            let chunk = SeriesChunk(points: GoldenCases.points((0..<count).map { _ in .double(random.double()) }))
            try #require(render(try SeriesChunk(decoding: chunk.encoded())) == render(chunk), "MARTLET_TEST_SEED=\(seed)")
        }
    }

    /// One hour at a point in ten seconds, as storage counts it.
    @Test func sizes() throws {
        func size(_ values: [MetricValue]) throws -> Int { try SeriesChunk(points: GoldenCases.points(values)).encoded().count }
        var random = SeededRandom(seed: 5)
        var level = 215
        let slow: [MetricValue] = (0..<360).map { _ in
            level += Int.random(in: -1...1, using: &random)
            return .double(Double(level) / 10)
        }
        #expect(try size(slow) < 200)
        #expect(try size([MetricValue](repeating: .double(21.5), count: 360)) == 14)
        #expect(try size([MetricValue](repeating: .string("running"), count: 360)) == 19)
        let sums: [MetricValue] = (0..<60).map { _ in
            var sum = 0.0
            for _ in 0..<6 { sum += Double(Int.random(in: 210...215, using: &random)) / 10 }
            return .double(sum)
        }
        #expect(try size(sums) < 140)
    }

    @Test func limits() throws {
        var (chunk, output) = (ChunkBuffer(), WireBuffer())
        for index in 0..<WireLimits.pointsPerChunk {
            chunk.append(time: SeriesChunk.base.advanced(by: .milliseconds(index)), quality: [], value: .bool(true))
        }
        try SeriesChunkCodec.encode(chunk, base: SeriesChunk.base, into: &output)
        #expect(output.count < 20)
        chunk.append(time: SeriesChunk.base, quality: [], value: .bool(true))
        #expect(error(chunk) == WireError(.limitExceeded, offset: 1 << 20, field: "count"))
        chunk.removeAll()
        chunk.append(time: SeriesChunk.base, quality: [], value: .int(1))
        #expect(error(chunk) == nil)
        chunk.append(time: Timestamp(microseconds: .max), quality: [], value: .int(1))
        #expect(error(chunk) == WireError(.invalidField, offset: 1, field: "time"))
        #expect(error(text([UInt8](repeating: 0x61, count: 4_096))) == nil)
        #expect(error(text([UInt8](repeating: 0x61, count: 4_097))) == WireError(.limitExceeded, offset: 0, field: "value"))
        #expect(error(text([0xFF])) == WireError(.invalidUTF8, offset: 0, field: "value"))
        #expect(error(ChunkBuffer(), base: Timestamp(microseconds: .min)) == WireError(.invalidField, offset: 0, field: "base"))
    }

    /// A hundred texts of the greatest length are within the limit of a chunk; more text than that is refused.
    @Test func textIsBounded() throws {
        var chunk = ChunkBuffer()
        for index in 0..<8_193 {
            let text = [UInt8](repeating: UInt8(0x61 + index % 2), count: 4_096)
            text.withUnsafeBytes { chunk.append(time: SeriesChunk.base, quality: [], value: .string($0)) }
        }
        #expect(chunk.count == 8_192)
        #expect(error(chunk)?.code == .limitExceeded)
    }

    @Test func fieldErrors() {
        let cases: [(bytes: [UInt8], error: WireError)] = [
            ([0x0C, 1], WireError(.invalidField, offset: 3, field: "flags")),
            ([0x10, 1], WireError(.unknownFlags, offset: 3, field: "flags")),
            ([0x0A, 0x81, 0x80, 0x40], WireError(.limitExceeded, offset: 4, field: "count")),
            ([0x08, 0x80, 0x80, 0x40, 0x00], WireError(.truncated, offset: 4, field: "count")),
            ([0x0A, 2, 0, 0, 3, 8], WireError(.limitExceeded, offset: 7, field: "run")),
            ([0x0A, 2, 0, 0, 0, 8], WireError(.invalidField, offset: 7, field: "run")),
            ([0x0A, 2, 0, 0, 2, 6], WireError(.invalidField, offset: 8, field: "shape")),
            ([0x0A, 2, 0, 0, 2, 13], WireError(.invalidField, offset: 8, field: "shape")),
            ([0x0A, 2, 0, 0, 2, 0x11], WireError(.invalidField, offset: 8, field: "shape")),
            ([0x0A, 2, 0, 0, 2, 10, 2], WireError(.invalidField, offset: 9, field: "value")),
            ([0x0A, 2, 0, 0, 2, 12, 8, 0], WireError(.invalidField, offset: 9, field: "exponent")),
            ([0x0B, 2, 0, 0, 2, 9, 0, 3, 1], WireError(.limitExceeded, offset: 10, field: "quality")),
            ([0x0B, 2, 0, 0, 2, 9, 0, 0, 1], WireError(.invalidField, offset: 10, field: "quality")),
            (
                [0x0A, 2, 0] + [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
                WireError(.invalidField, offset: 6, field: "step")
            ),
            ([0x0A, 0, 0], WireError(.trailingBytes, offset: 5, field: "message")),
        ]
        for (bytes, expected) in cases {
            do throws(WireError) {
                _ = try SeriesChunk(decoding: [0x4D, 4, 1] + bytes)
                Issue.record("\(bytes) decoded")
            } catch { #expect(error == expected, "\(bytes)") }
        }
    }

    /// Announced points take no memory before the bytes say that they are there.
    @Test func announcedCountsReserveNothing() {
        for claim: [UInt8] in [
            [0x08, 0x80, 0x80, 0x40, 0], [0x0A, 0x80, 0x80, 0x40, 0, 2], [0x0A, 0x80, 0x80, 0x40, 0, 2, 0x80, 0x80, 0x40, 0, 1],
        ] {
            var chunk = ChunkBuffer()
            let bytes = [0x4D, 4, 1] + claim
            #expect(throws: WireError.self) {
                try bytes.withUnsafeBytes { try SeriesChunkCodec.decode($0, base: SeriesChunk.base, into: &chunk) }
            }
            #expect(chunk.reservedBytes < 4_096 && chunk.count == 0)
        }
    }

    @Test func memoryStaysOnceGrown() throws {
        var random = SeededRandom(seed: 11)
        let chunks = (0..<50).map { _ in random.chunk(maximumPoints: 300) }
        var (buffer, output) = (ChunkBuffer(), WireBuffer())
        var reserved = 0
        for round in 0..<4 {
            for chunk in chunks {
                chunk.fill(&buffer)
                try SeriesChunkCodec.encode(buffer, base: SeriesChunk.base, into: &output)
                try output.withUnsafeBytes { bytes throws(WireError) in
                    try SeriesChunkCodec.decode(bytes, base: SeriesChunk.base, into: &buffer)
                }
            }
            if round == 0 { reserved = buffer.reservedBytes }
            #expect(buffer.reservedBytes == reserved)
        }
    }

    private func text(_ bytes: [UInt8]) -> ChunkBuffer {
        var chunk = ChunkBuffer()
        bytes.withUnsafeBytes { chunk.append(time: SeriesChunk.base, quality: [], value: .string($0)) }
        return chunk
    }

    private func error(_ chunk: ChunkBuffer, base: Timestamp = SeriesChunk.base) -> WireError? {
        var output = WireBuffer()
        do throws(WireError) { try SeriesChunkCodec.encode(chunk, base: base, into: &output) } catch { return error }
        return nil
    }

    private func render(_ chunk: SeriesChunk) -> String { JSONForm.object(chunk.form).render() }
}
