import DeviceJSON
import Domain
import Testing
import Wire

@testable import Ingestion

/// What the type of a device says of its values.
@Suite struct RangeTests {
    private let now = Timestamp(microseconds: 1_767_323_045_000_000)

    private func ranges(_ policy: DeviceTypeRecord.RangePolicy) throws -> MetricRanges {
        try #require(
            MetricRanges(
                DeviceTypeRecord(
                    name: "t", revision: 1, updated: .unixEpoch, heartbeatSeconds: 0, rangePolicy: policy,
                    metrics: [
                        .init(name: try MetricName("level"), minimum: 0, maximum: 10), .init(name: try MetricName("odd"), maximum: 1),
                    ])))
    }

    /// - Returns: the qualities by metric, and how many were marked.
    private func read(_ payload: [UInt8], _ policy: DeviceTypeRecord.RangePolicy) throws -> (samples: [Sample], marked: UInt64) {
        var reader = MessageReader(limits: ReadingLimits())
        let ranges = try ranges(policy)
        var samples: [Sample] = []
        let keep = { (record: UnsafeRawBufferPointer) in samples += (try? TelemetryBatch(decoding: record).samples) ?? [] }
        try payload.withUnsafeBytes { payload in
            try Array("d1".utf8).withUnsafeBytes { device in
                let message = MessageBatch.Message(
                    topic: device, device: device, payload: payload, kind: .telemetry, properties: MessageProperties(), retained: false,
                    time: now)
                switch try reader.read(message, ranges) {
                case .single(_, let sequence):
                    try reader.beginShared()
                    try reader.withShared(sequence: sequence, keep)
                case .records(let count, _):
                    for record in 0..<count { try reader.withRecord(record, keep) }
                }
            }
        }
        return (samples, reader.takeOutOfRange())
    }

    private func wire(_ values: [MetricValue], time: Timestamp) throws -> [UInt8] {
        try TelemetryBatch(
            device: DeviceID("d1"), ingestTime: .unixEpoch, source: .unknown,
            samples: values.map { Sample(metric: try MetricName("level"), time: time, value: $0, quality: .uncertain) }
        ).encoded()
    }

    @Test func withinIsLeftAlone() throws {
        for payload in [#"{"metric":"level","value":10}"#, #"{"data":{"level":0.5,"other":1e9,"odd":true}}"#] {
            for policy in [DeviceTypeRecord.RangePolicy.flag, .reject] {
                let (samples, marked) = try read(Array(payload.utf8), policy)
                #expect(marked == 0 && samples.allSatisfy { !$0.quality.contains(.outOfRange) })
            }
        }
    }

    @Test func outsideIsMarkedAndStored() throws {
        let one = try read(Array(#"{"metric":"level","value":10.5}"#.utf8), .flag)
        #expect(one.marked == 1 && one.samples.map { $0.quality.contains(.outOfRange) } == [true])
        let many = try read(Array(#"{"data":{"level":-1,"other":1,"odd":2}}"#.utf8), .flag)
        #expect(many.marked == 2)
        #expect(Set(many.samples.filter { $0.quality.contains(.outOfRange) }.map(\.metric.text)) == ["level", "odd"])
        let batch = try read(wire([.double(5), .int(11), .bool(true)], time: now), .flag)
        #expect(batch.marked == 1)
        #expect(batch.samples.map(\.quality) == [.uncertain, [.uncertain, .outOfRange], .uncertain])
        let early = try read(wire([.int(-1)], time: .unixEpoch), .flag)
        #expect(early.samples.map(\.quality) == [[.uncertain, .outOfRange, .timeClamped]])
    }

    @Test func outsideIsRefusedAndNamed() throws {
        let payloads = [
            Array(#"{"metric":"level","value":10.5}"#.utf8), Array(#"[{"metric":"a","value":1},{"metric":"level","value":10.5}]"#.utf8),
            try wire([.double(10.5)], time: now),
        ]
        for payload in payloads {
            let rejection = #expect(throws: Rejection.self) { try read(payload, .reject) }
            #expect(rejection?.reasonCode == "out_of_range" && rejection?.stage == .schema)
            #expect(rejection?.text == "level is 10.5, not within 0.0 … 10.0")
        }
    }
}
