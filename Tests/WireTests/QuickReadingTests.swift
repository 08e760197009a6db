import Domain
import TestSupport
import Testing

@testable import Wire

/// What reads the usual case in a stride gives what the careful reader gives, and leaves to it what is not usual or not right.
@Suite struct QuickReadingTests {
    @Test(arguments: Seeds.all) func plainMessagesAreReadAsTheCarefulReaderReadsThem(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var plain = 0
        for _ in 0..<8_000 {
            var bytes = try single(&random).encoded()
            if random.chance(60) { bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            if random.chance(10) { bytes.removeLast(Int.random(in: 1...bytes.count, using: &random)) }
            if random.chance(5) { bytes.append(0) }
            guard bytes.withUnsafeBytes({ PlainMessage($0) != nil }) else { continue }
            plain += 1
            var (quick, careful) = (TelemetryBuffer(), TelemetryBuffer())
            try bytes.withUnsafeBytes {
                try TelemetryCodec.decode($0, into: &quick)
                try TelemetryCodec.decodeCarefully($0, into: &careful)
            }
            try #require(try render(quick) == render(careful), "MARTLET_TEST_SEED=\(seed)")
        }
        #expect(plain > 1_000)
    }

    @Test func usualMessagesArePlain() throws {
        for value in [MetricValue.double(21.5), .double(.pi), .int(-7), .bool(true), .bool(false)] {
            let bytes = try GoldenCases.batch([try GoldenCases.sample(value)]).encoded()
            #expect(bytes.withUnsafeBytes { PlainMessage($0) != nil }, "\(value)")
        }
    }

    @Test func everyPairIsWhatTheCarefulReaderReads() throws {
        // What begins with 111 is longer.
        #expect(ShortCodes.pairs.filter { $0.count == 0 }.count == 1 << (ShortCodes.indexBits - 3))
        for index in 0..<1 << ShortCodes.indexBits {
            let bytes = [UInt8(index >> 2), UInt8(index & 3) << 6]
            let pair = ShortCodes.pairs[index]
            guard pair.count > 0 else { continue }
            try bytes.withUnsafeBytes { bytes in
                var bits = BitReader(ByteReader(bytes), "value")
                var sum: Int64 = 0
                for code in 0..<pair.count {
                    sum += try bits.signed()
                    #expect(code > 0 || sum == pair.first)
                }
                #expect(sum == pair.sum)
                #expect(16 - bits.windowBits == pair.bits)
                #expect(sum.magnitude <= 2 * ShortCodes.largest.magnitude)
            }
        }
    }

    @Test(arguments: Seeds.all) func columnsOfShortAndLongCodes(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            let steps = random.pick([[0, 1], [0, 1, -3, 4], [1, 20, -30], [0, 7, -2, 60, 5_000], [3, Int64.max, -1]]) as [Int64]
            var number = Int64.random(in: -1_000...1_000, using: &random)
            let numbers = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                number = number &+ random.pick(steps)
                return number
            }
            let read = try Self.column(numbers) { reader, entries throws(WireError) in try reader.integerColumn(into: entries) }
            try #require(read.map { Int64(bitPattern: $0.payload) } == numbers, "MARTLET_TEST_SEED=\(seed)")
        }
    }

    /// Steps so short that they are taken ten at a time must not lead beyond the limit, wherever it lies among the ten.
    @Test func shortStepsBeyondTheLimitAreRefused() throws {
        let limit = DecimalDouble.columnMantissaLimit
        for beyond in -12...12 as ClosedRange<Int64> {
            let numbers = (0..<40).map { limit - 39 + Int64($0) + beyond }
            let read: () throws -> Void = {
                _ = try Self.column(numbers, exponent: 0) { reader, entries throws(WireError) in try reader.decimalColumn(into: entries) }
            }
            if beyond <= 0 { try read() } else { #expect(throws: WireError.self, performing: read) }
        }
    }

    @Test func shortRhythmsBeyondTheLastTimeAreRefused() throws {
        for beyond in [-30, -11, -1, 0, 1, 5, 11, 30] as [Int64] {
            let last = Timestamp.latest.microseconds + beyond
            let times = (0..<40).map { last - Int64(39 - $0) - ($0 % 3 == 1 ? 1 : 0) }
            let read: () throws -> [Int64] = {
                try Self.times(times)
            }
            if beyond <= 0 { #expect(try read() == times) } else { #expect(throws: WireError.self) { _ = try read() } }
        }
    }

    private func single(_ random: inout SeededRandom) throws -> TelemetryBatch {
        var batch = try random.batch(maximumSamples: 1)
        if random.chance(50) { batch.sequence = nil }
        if random.chance(90) { batch.samples[0].metric = try MetricName("temperature") }
        if random.chance(80) { batch.samples[0].unit = random.chance(50) ? "hPa" : nil }
        if random.chance(50) { batch.ingestTime = batch.samples[0].time }
        return batch
    }

    private func render(_ buffer: TelemetryBuffer) throws -> String { JSONForm.object(try TelemetryBatch(buffer).form).render() }

    private typealias Column = (inout ByteReader, ByteReader.Entries) throws(WireError) -> Void

    private static func column(_ numbers: [Int64], exponent: UInt8? = nil, _ read: Column) throws -> [TelemetryBuffer.Entry] {
        try entries(numbers.count, read) { writer in
            if let exponent { writer.byte(exponent) }
            writer.integerColumn(numbers.count) { numbers[$0] }
        }
    }

    private static func times(_ times: [Int64]) throws -> [Int64] {
        try entries(times.count) { reader, entries throws(WireError) in
            try reader.timeColumn(first: times[0], unit: 1, into: entries)
        } write: { writer in
            writer.timeColumn(times.count, unit: 1) { times[$0] }
        }.map(\.time)
    }

    private static func entries(_ count: Int, _ read: Column, write: (inout ByteWriter) -> Void) throws -> [TelemetryBuffer.Entry] {
        var output = WireBuffer()
        try output.replace(bound: 32 + 10 * count) { writer, _ in write(&writer) }
        let blank = TelemetryBuffer.Entry(time: 0, payload: 0, series: 0, kind: .int, quality: 0)
        var entries = [TelemetryBuffer.Entry](repeating: blank, count: count)
        try output.withUnsafeBytes { bytes in
            try entries.withUnsafeMutableBufferPointer { entries in
                var reader = ByteReader(bytes)
                try read(&reader, entries)
                #expect(reader.remaining == 0)
            }
        }
        return entries
    }
}
