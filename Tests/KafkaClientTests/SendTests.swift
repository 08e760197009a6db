import CRdkafka
import Domain
import KafkaClient
import TestSupport
import Testing
import Wire

@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct SendTests {
    @Test func waitsForTheReport() async throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        try await producer.send(topic: "t", key: [1], value: Array("one".utf8))
        #expect(producer.outstanding == 0)
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        #expect(try consumer.texts(1) == ["one"])
    }

    @Test func manyAtOnceAreAllReported() async throws {
        let mock = try MockCluster(topics: ["t": 4])
        let producer = try KafkaProducer(mock.configuration())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<500 {
                group.addTask { try await producer.send(topic: "t", key: [UInt8(index % 256)], value: Array("\(index)".utf8)) }
            }
            try await group.waitForAll()
        }
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        #expect(Set(try consumer.texts(500)) == Set((0..<500).map { "\($0)" }))
    }

    @Test func brokersRefusalIsThrown() async throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.fail(.produce, with: [RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED])
        let error = await #expect(throws: KafkaError.self) { try await producer.send(topic: "t", key: [], value: [1]) }
        #expect(error?.code == .topicAuthorizationFailed)
        #expect(error?.reason.contains("ACL") == true)
    }

    @Test func cancellationEndsTheWaitAndSaysThatTheRecordMayBeStored() async throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.setDown()
        let task = Task { () -> KafkaError? in
            do throws(KafkaError) {
                try await producer.send(topic: "t", key: [], value: [1])
                return nil
            } catch { return error }
        }
        try await eventually("the record is handed over") { producer.outstanding == 1 }
        task.cancel()
        let error = await task.value
        #expect(error?.code == .cancelled)
        #expect(error?.isPossiblyPersisted == true)
        // Its late report disturbs nobody.
        mock.setUp()
        try await producer.send(topic: "t", key: [], value: [2])
        try await eventually("both are reported") { producer.outstanding == 0 }
    }

    @Test func closingEndsEveryWait() async throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.setDown()
        let task = Task { () -> KafkaError? in
            do throws(KafkaError) {
                try await producer.send(topic: "t", key: [], value: [1])
                return nil
            } catch { return error }
        }
        try await eventually("the record is handed over") { producer.outstanding == 1 }
        producer.close()
        #expect(await task.value?.code == .closed)
        let late = await #expect(throws: KafkaError.self) { try await producer.send(topic: "t", key: [], value: [1]) }
        #expect(late?.code == .closed)
    }

    @Test func fullQueueIsThrownToTheSender() async throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration(extra: ["queue.buffering.max.messages": "1"]))
        mock.setDown()
        let first = Task { try await producer.send(topic: "t", key: [], value: [1]) }
        try await eventually("the record is handed over") { producer.outstanding == 1 }
        let error = await #expect(throws: KafkaError.self) { try await producer.send(topic: "t", key: [], value: [2]) }
        #expect(error?.code == .queueFull)
        mock.setUp()
        try await first.value
    }

    @Test func typedMessageArrivesUnderItsKey() async throws {
        let topic = Topics.deviceEvents.prefixed("test-")
        let mock = try MockCluster(topics: [topic.name: 12])
        let producer = try KafkaProducer(mock.configuration())
        let event = DeviceEvent(
            device: try DeviceID("pump-7"), kind: .online, reason: "connected", session: nil, time: Timestamp(microseconds: 5),
            ingestTime: Timestamp(microseconds: 6), source: .mqtt)
        try await producer.send(event, to: topic)
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: [topic.name], owner: RecordingOwner())
        var got: [DeviceEvent] = []
        var keys: [String] = []
        while got.isEmpty {
            try consumer.poll(max: 1, timeout: .seconds(5)) {
                got.append(try DeviceEvent(decoding: $0.value))
                keys.append(String(decoding: $0.key, as: UTF8.self))
            }
        }
        #expect(got == [event])
        #expect(keys == ["pump-7"])
    }

    @Test func typedEnqueueGoesThroughTheSameCodec() throws {
        let topic = Topics.deviceEvents
        let mock = try MockCluster(topics: [topic.name: 1])
        let producer = try KafkaProducer(mock.configuration())
        let event = DeviceEvent(
            device: try DeviceID("a"), kind: .offline, reason: nil, session: "s", time: Timestamp(microseconds: 1),
            ingestTime: Timestamp(microseconds: 2), source: .http)
        var buffer = WireBuffer()
        let handle = try producer.handle(for: topic)
        try producer.enqueue(event, to: handle, buffer: &buffer, tag: 3)
        #expect(try producer.delivered(1) == [3])
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: [topic.name], owner: RecordingOwner())
        var got: [DeviceEvent] = []
        while got.isEmpty { try consumer.poll(max: 1, timeout: .seconds(5)) { got.append(try DeviceEvent(decoding: $0.value)) } }
        #expect(got == [event])
    }
}
