import Domain
import Testing
import Wire

@Suite struct SmokeTests {
    @Test func oneAndMany() throws {
        let device = try DeviceID("device-000000001")
        let metric = try MetricName("temperature")
        let start = Timestamp(microseconds: 1_763_705_000_000_000)
        for count in [1, 2, 100] {
            let samples = (0..<count).map {
                Sample(metric: metric, time: start.advanced(by: .seconds($0)), value: .double(Double(210 + $0 % 3) / 10))
            }
            let batch = TelemetryBatch(device: device, ingestTime: start.advanced(by: .milliseconds(333)), source: .mqtt, samples: samples)
            let bytes = try batch.encoded()
            #expect(try TelemetryBatch(decoding: bytes) == batch)
        }
    }
}
