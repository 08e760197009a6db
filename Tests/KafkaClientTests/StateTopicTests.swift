import Domain
import KafkaClient
import TestSupport
import Testing
import Wire

/// Records of a compacted topic: states, and tombstones in order with them.
@Suite(.blockingThreads, .timeLimit(.minutes(1)))
struct StateTopicTests {
    @Test func statesAndTombstonesGoInOrder() throws {
        let mock = try MockCluster(topics: ["registry.devices": 3])
        let producer = try KafkaProducer(mock.configuration())
        let topic = try producer.handle(for: Topics.registryDevices)
        var buffer = WireBuffer()
        let (here, gone) = (try DeviceID("here"), try DeviceID("gone"))
        for (tag, device) in [here, gone].enumerated() {
            let record = DeviceRecord(device: device, revision: 1, updated: .unixEpoch, lifecycle: .active, type: "sensor")
            try producer.enqueue(record, to: topic, buffer: &buffer, tag: UInt64(tag))
        }
        try producer.enqueueTombstone(of: gone, to: topic, tag: 2)
        #expect(try producer.delivered(3) == [0, 1, 2])

        var log: [DeviceID: [DeviceRecord?]] = [:]
        let reader = try KafkaReader(mock.configuration(), topic: topic.name, from: .beginning)
        let deadline = ContinuousClock.now + .seconds(20)
        while !reader.hasReachedEnd, ContinuousClock.now < deadline {
            _ = try reader.poll(timeout: .milliseconds(50)) { record in
                let device = try DeviceRecord.subject(ofKey: record.key)
                log[device, default: []].append(record.isTombstone ? nil : try DeviceRecord(decoding: record.value))
            }
        }
        #expect(log[here]?.map { $0?.revision } == [1])
        #expect(log[gone]?.map { $0?.revision } == [1, nil])
    }

    @Test func anEmptyValueIsNoTombstone() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        try producer.enqueueBytes([], to: "t", tag: 1)
        #expect(try producer.delivered(1) == [1])
        let reader = try KafkaReader(mock.configuration(), topic: "t", from: .beginning)
        var isTombstone: Bool?
        let deadline = ContinuousClock.now + .seconds(20)
        while isTombstone == nil, ContinuousClock.now < deadline {
            _ = try reader.poll(timeout: .milliseconds(50)) { isTombstone = $0.isTombstone }
        }
        #expect(isTombstone == false)
    }
}
