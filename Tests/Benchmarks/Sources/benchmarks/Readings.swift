import DeviceJSON
import Domain
import Foundation
import Wire

extension Benchmark {
    static let readings = Benchmark(
        name: "readings", summary: "JSON of a device → samples → record: time and allocations, whatever the number of fields"
    ) { _ in try Readings().run() }
}

private struct Readings {
    private struct Reading: Decodable {
        var sensor_id: String
        var type: String
        var value: Double
        var unit: String
        var seq: UInt64
        var timestamp: Int64
    }

    private let single = Array(
        #"{"sensor_id":"device-001","type":"temperature","value":21.37,"unit":"C","seq":1000042,"timestamp":1767323045123}"#.utf8)

    func run() throws {
        let one = try measure("one reading of \(single.count) bytes", single)
        let two = try measure("2 metrics of one moment", metrics(2))
        let many = try measure("400 metrics of one moment", metrics(400))
        let data = Data(single)
        let decoder = JSONDecoder()
        let foundation = try Measurement(operations: 5_000) { keep(try decoder.decode(Reading.self, from: data)) }
        show("JSONDecoder, the same reading", foundation)
        let ratio = foundation.nanoseconds / one.nanoseconds
        print("  \(format(ratio, 1)) × as fast as JSONDecoder, encoding of the record included\n")
        guard one.allocations == 0, two.allocations == 0, many.allocations == 0 else {
            throw BenchmarkFailure("target missed: no allocation, got \(one.allocations), \(two.allocations), \(many.allocations)")
        }
        guard ratio >= 5 else { throw BenchmarkFailure("target missed: 5 × as fast as JSONDecoder") }
    }

    private func measure(_ name: String, _ payload: [UInt8]) throws -> Measurement {
        var reader = DeviceJSONReader()
        var buffer = TelemetryBuffer()
        var encoded = WireBuffer()
        let now = Timestamp(microseconds: 1_767_323_046_000_000)
        let result = try payload.withUnsafeBytes { payload in
            try Array("device-001".utf8).withUnsafeBytes { device in
                try Measurement(operations: max(50, 2_000_000 / payload.count)) {
                    try reader.read(payload, ReadingContext(device: device, now: now))
                    try reader.write(record: 0, into: &buffer)
                    try TelemetryCodec.encode(buffer, into: &encoded)
                    reader.finish()
                    keep(encoded.count)
                }
            }
        }
        show(name, result)
        return result
    }

    private func show(_ name: String, _ result: Measurement) {
        print("  \(name.padded(to: 34)) \(format(result.nanoseconds, 0)) ns   \(format(result.allocations, 2)) allocations")
    }

    private func metrics(_ count: Int) -> [UInt8] {
        let members = (0..<count).map { #""metric-\#($0)":{"value":\#($0).25,"unit":"kWh","quality":"good"}"# }
        return Array(#"{"sensor_id":"device-001","timestamp":"2026-01-02T03:04:04Z","data":{\#(members.joined(separator: ","))}}"#.utf8)
    }
}
