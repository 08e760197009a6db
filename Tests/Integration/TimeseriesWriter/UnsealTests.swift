import Domain
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

/// `timeseries.unseal` reads what `SeriesChunkCodec` writes.
@Suite("timeseries-writer: chunks in SQL")
struct UnsealTests {
    private static let base = Timestamp(microseconds: Point.start)

    private struct Row: Hashable {
        var time: Int64
        var quality: Int16
        var value: MetricValue?
        /// Of a double, so that NaNs and zeros are told apart.
        var bits: UInt64?
    }

    @Test(arguments: [1, UInt64.random(in: 2...(.max))]) func rowsAreSwiftsBitForBit(_ seed: UInt64) async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try SinkFixture(url).connect()
            var random = SeededRandom(seed: seed)
            for round in 0..<150 {
                let chunk = Self.chunk(&random, points: round == 0 ? 0 : Int.random(in: 1...120, using: &random))
                let rows = try Self.unseal(connection, try Self.encoded(chunk))
                try #require(rows == Self.expected(chunk), "seed \(seed), round \(round)")
            }
        }
    }

    /// Values by their bits, through every double form: decimal, near decimal, XOR, alone.
    @Test func everyDouble() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try SinkFixture(url).connect()
            let odd: [Double] = [
                0, -0.0, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude,
                Double(bitPattern: 0xFFF8_0000_DEAD_BEEF), .leastNormalMagnitude.nextDown, .pi, 0.1 + 0.2, 1, 9_007_199_254_740_991,
            ]
            for value in odd {
                for values in [[value], [value, 21.5], [Double](repeating: 0.1, count: 30) + [value, 0.1.nextUp]] {
                    var chunk = ChunkBuffer()
                    for (index, value) in values.enumerated() {
                        chunk.append(time: Self.base.advanced(by: .seconds(index)), quality: [], value: .double(value))
                    }
                    #expect(try Self.unseal(connection, try Self.encoded(chunk)) == Self.expected(chunk), "\(values)")
                }
            }
        }
    }

    @Test func whatIsNoChunkIsAnError() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try SinkFixture(url).connect()
            var random = SeededRandom(seed: 3)
            for _ in 0..<6 {
                let whole = try Self.encoded(Self.chunk(&random, points: 20))
                for length in 0..<whole.count {
                    #expect(throws: PostgresError.self) { try Self.unseal(connection, Array(whole[..<length])) }
                }
                #expect(throws: PostgresError.self) { try Self.unseal(connection, whole + [0]) }
            }
            // A newer version may append.
            var newer = try Self.encoded(Self.chunk(&random, points: 3))
            newer[2] = 2
            #expect(try Self.unseal(connection, newer + [1, 2, 3]).count == 3)
            // Damage ends, with rows or an error.
            for _ in 0..<300 {
                var bytes = try Self.encoded(Self.chunk(&random, points: 20))
                bytes[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                if let rows = try? Self.unseal(connection, bytes) { #expect(rows.count <= WireLimits.pointsPerChunk) }
            }
        }
    }

    private static func unseal(_ connection: PostgresConnection, _ bytes: [UInt8]) throws -> [Row] {
        let rows = try connection.query(
            "SELECT * FROM timeseries.unseal($1, $2)", [.timestamp(microseconds: base.microseconds), .bytes(bytes)])
        return try rows.map { row in
            let values: [MetricValue] = [
                try row.optional(2, as: Double.self).map { .double($0) }, try row.optional(3, as: Int64.self).map { .int($0) },
                try row.optional(4, as: Bool.self).map { .bool($0) }, try row.optional(5, as: String.self).map { .string($0) },
            ].compactMap { $0 }
            return Self.row(try row.microseconds(0), try row.get(1, as: Int16.self), values.count == 1 ? values[0] : nil)
        }
    }

    private static func row(_ time: Int64, _ quality: Int16, _ value: MetricValue?) -> Row {
        guard case .double(let number) = value else { return Row(time: time, quality: quality, value: value) }
        // PL/pgSQL has no way to a signalling NaN: it comes out quiet.
        return Row(time: time, quality: quality, bits: number.bitPattern | (number.isNaN ? 1 << 51 : 0))
    }

    private static func expected(_ chunk: ChunkBuffer) -> [Row] {
        var rows: [Row] = []
        chunk.forEach { _, time, quality, value in
            rows.append(row(time.microseconds, Int16(quality.rawValue), MetricValue(value)))
        }
        return rows
    }

    private static func encoded(_ chunk: ChunkBuffer) throws -> [UInt8] {
        var output = WireBuffer()
        try SeriesChunkCodec.encode(chunk, base: base, into: &output)
        return output.bytes
    }

    /// Every type and run, stretches, odd doubles, jumps in time.
    private static func chunk(_ random: inout SeededRandom, points: Int) -> ChunkBuffer {
        var chunk = ChunkBuffer()
        var time = base
        var kind = Int.random(in: 0...3, using: &random)
        var level = Int.random(in: -500...500, using: &random)
        let unit = [1, 1_000, 1_000_000, 10_000_000].randomElement(using: &random) ?? 1
        let jumps = Bool.random(using: &random)
        while chunk.count < points {
            if Int.random(in: 0..<12, using: &random) == 0 { kind = Int.random(in: 0...3, using: &random) }
            level += Int.random(in: -3...3, using: &random)
            let quality = Quality(rawValue: Int.random(in: 0..<5, using: &random) == 0 ? 130 : 0)
            let repeats = Int.random(in: 0..<10, using: &random) == 0 ? Int.random(in: 2...70, using: &random) : 1
            let (value, text) = value(kind, level, &random)
            for _ in 0..<min(repeats, points - chunk.count) {
                text.withUnsafeBytes { chunk.append(time: time, quality: quality, value: value ?? .string($0)) }
                let step = jumps ? Int.random(in: -1_000...1_000_000, using: &random) : 1
                time = time.advanced(by: .microseconds(step * unit))
            }
        }
        return chunk
    }

    private static func value(_ kind: Int, _ level: Int, _ random: inout SeededRandom) -> (ValueRef?, text: [UInt8]) {
        switch kind {
        case 0:
            let doubles = [Double(level) / 10, Double(level) / 10 + 0.1, Double(level) * 1.1, Double(bitPattern: random.next())]
            return (.double(doubles[[0, 0, 1, 2, 3].randomElement(using: &random) ?? 0]), [])
        case 1: return (.int(Int.random(in: 0..<10, using: &random) == 0 ? Int64(bitPattern: random.next()) : Int64(level)), [])
        case 2: return (.bool(level % 2 == 0), [])
        default: return (nil, Array(["", "on", "läuft ☀️", "\(level)"][abs(level) % 4].utf8))
        }
    }
}
