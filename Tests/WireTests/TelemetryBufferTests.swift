import Domain
import TestSupport
import Testing
import Wire

@Suite struct TelemetryBufferTests {
    /// A buffer that held something else before gives the same bytes as a fresh one.
    @Test(arguments: Seeds.all) func reuseLeavesNoTrace(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var (used, output, decoded) = (TelemetryBuffer(), WireBuffer(), TelemetryBuffer())
        for _ in 0..<300 {
            let batch = try random.batch(maximumSamples: 40)
            try batch.fill(&used)
            try TelemetryCodec.encode(used, into: &output)
            try #require(try output.bytes == batch.encoded(), "MARTLET_TEST_SEED=\(seed)")
            try output.withUnsafeBytes { bytes throws(WireError) in try TelemetryCodec.decode(bytes, into: &decoded) }
            let form = JSONForm.object(try TelemetryBatch(decoded).form).render()
            try #require(form == JSONForm.object(batch.inEncodedOrder().form).render(), "MARTLET_TEST_SEED=\(seed)")
        }
    }

    /// After the first round, the same work takes no more memory.
    @Test func memoryStaysOnceGrown() throws {
        var random = SeededRandom(seed: 11)
        let batches = try (0..<50).map { _ in try random.batch(maximumSamples: 200) }
        var (buffer, output) = (TelemetryBuffer(), WireBuffer())
        var reserved = 0
        for round in 0..<5 {
            for batch in batches {
                try batch.fill(&buffer)
                try TelemetryCodec.encode(buffer, into: &output)
                try output.withUnsafeBytes { bytes throws(WireError) in try TelemetryCodec.decode(bytes, into: &buffer) }
            }
            if round == 0 { reserved = buffer.reservedBytes }
            #expect(buffer.reservedBytes == reserved)
        }
    }

    @Test func manySeriesAreToldApart() throws {
        var buffer = TelemetryBuffer()
        buffer.setDevice(try DeviceID("d"))
        let names = (0..<3_000).map { "metric-\($0)" }
        for round in 0..<3 {
            for (index, name) in names.enumerated() where round < 2 || index % 7 == 0 {
                let unit = round == 1 ? "u" : nil
                try buffer.append(Sample(metric: MetricName(name), time: .unixEpoch, value: .int(Int64(index)), unit: unit))
            }
        }
        #expect(buffer.seriesCount == 6_000)
        buffer.forEachSample { _, sample in
            guard case .int(let index) = sample.value else { return }
            #expect(String(decoding: sample.metric, as: UTF8.self) == names[Int(index)])
            buffer.withSeries(sample.series) { metric, unit in
                #expect(metric.elementsEqual(sample.metric))
                #expect((unit == nil) == (sample.unit == nil))
            }
        }
    }

    @Test func borrowedReading() throws {
        let sequence = StreamSequence(stream: 5, first: 100, scope: .sample)
        let samples = [
            try GoldenCases.sample(.double(1.5), unit: "V"), try GoldenCases.sample(.string("on"), metric: "state", quality: .bad),
        ]
        var buffer = TelemetryBuffer()
        try GoldenCases.batch(samples, sequence: sequence).fill(&buffer)
        #expect(buffer.withDevice { String(decoding: $0, as: UTF8.self) } == "device-000000001")
        #expect(buffer.sequence(of: 1) == 101)
        let seen = (0..<buffer.count).map { index in
            buffer.withSample(index) { sample in
                "\(sample.series) \(sample.sequence ?? 0) \(sample.unit?.count ?? -1) \(sample.quality.rawValue) \(MetricValue(sample.value))"
            }
        }
        #expect(seen == ["0 100 1 0 double(1.5)", "1 101 -1 2 string(\"on\")"])
        #expect([buffer.sample(at: 0), buffer.sample(at: 1)] == samples)
    }

    @Test func appendRefusesWhatCannotTravel() throws {
        var buffer = TelemetryBuffer()
        func append(_ metric: [UInt8], _ unit: [UInt8]? = nil) -> WireError? {
            metric.withUnsafeBytes { metric in
                (unit ?? []).withUnsafeBytes { unit in
                    do throws(WireError) {
                        try buffer.append(metric: metric, unit: unit, time: .unixEpoch, quality: [], value: .bool(true))
                    } catch { return error }
                    return nil
                }
            }
        }
        #expect(append([]) == WireError(.invalidField, offset: 0, field: "metric"))
        #expect(append([0xFF]) == WireError(.invalidUTF8, offset: 0, field: "metric"))
        #expect(append([0x41, 0x0A]) == WireError(.invalidUTF8, offset: 0, field: "metric"))
        #expect(append([UInt8](repeating: 0x41, count: 129)) == WireError(.limitExceeded, offset: 0, field: "metric"))
        #expect(append([0x41], [0x09]) == WireError(.invalidUTF8, offset: 0, field: "unit"))
        #expect(buffer.count == 0)
        #expect(append([0x41], [0x42]) == nil)
        #expect(buffer.count == 1)
        #expect(throws: WireError(.invalidField, offset: 0, field: "device")) {
            try [UInt8]("no spaces".utf8).withUnsafeBytes { try buffer.setDevice($0) }
        }
    }

    /// The bytes promised for the usual message and for slowly changing series.
    @Test func sizes() throws {
        let late = GoldenCases.measured.advanced(by: .microseconds(123_456))
        let one = try GoldenCases.batch([GoldenCases.sample(.double(21.5), metric: "temperature")], ingest: late)
        #expect(try one.encoded().count <= 48)
        var random = SeededRandom(seed: 3)
        var level = 2_150
        let hundred = try (0..<100).map { index in
            level += Int.random(in: -3...3, using: &random)
            return try GoldenCases.sample(.double(Double(level) / 100), at: .seconds(index))
        }
        #expect(try GoldenCases.batch(hundred, ingest: late).encoded().count <= 200)
    }
}
