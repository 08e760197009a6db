import CRdkafka
import KafkaClient
import TestSupport
import Testing

@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct ProducerTests {
    @Test func everyRecordIsReportedOnceWithItsTag() throws {
        let mock = try MockCluster(topics: ["t": 3])
        let producer = try KafkaProducer(mock.configuration())
        let topic = try producer.handle(forTopic: "t")
        var reported: [UInt64] = []
        for tag in UInt64(0)..<1000 {
            try [UInt8]("v\(tag)".utf8).withUnsafeBytes { try producer.enqueue(to: topic, key: $0, value: $0, tag: tag) }
        }
        #expect(producer.outstanding == 1000)
        while reported.count < 1000 {
            try producer.drainDeliveries(timeout: .seconds(10)) { tag, error in
                reported.append(tag)
                #expect(error == nil)
            }
        }
        #expect(reported.sorted() == Array(0..<1000))
        #expect(producer.outstanding == 0)
        #expect(try producer.drainDeliveries(timeout: .zero) { _, _ in } == 0)
    }

    @Test func tagsKeepAll64Bits() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        let tags: [UInt64] = [0, 1, 1 << 32, 1 << 63, .max]
        for tag in tags { try producer.enqueue("x", to: "t", tag: tag) }
        #expect(Set(try producer.reports(tags.count).keys) == Set(tags))
    }

    @Test func emptyKeyAndValueArrive() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        try producer.enqueueBytes([], to: "t", tag: 1)
        #expect(try producer.delivered(1) == [1])
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        var lengths: [Int] = []
        while lengths.isEmpty { try consumer.poll(max: 1, timeout: .seconds(1)) { lengths += [$0.key.count, $0.value.count] } }
        #expect(lengths == [0, 0])
    }

    @Test(
        arguments: [
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR__TRANSPORT,
        ].map(\.rawValue))
    func passingTroubleIsRetriedWithoutLossOrDouble(code: Int32) throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration(extra: ["retry.backoff.ms": "10"]))
        mock.fail(.produce, with: [rd_kafka_resp_err_t(rawValue: code), rd_kafka_resp_err_t(rawValue: code)])
        for tag in UInt64(0)..<20 { try producer.enqueue("\(tag)", to: "t", tag: tag) }
        let reports = try producer.reports(20)
        #expect(reports.count == 20)
        #expect(reports.allSatisfy { $0.value == nil })
        try producer.enqueue("end", to: "t", tag: 20)
        #expect(try producer.delivered(1) == [20])
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        #expect(try consumer.texts(21) == (0..<20).map { "\($0)" } + ["end"])
    }

    @Test(
        arguments: [
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
        ].map(\.rawValue))
    func lastingTroubleIsReportedAndNotRetriable(code: Int32) throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.fail(.produce, with: [rd_kafka_resp_err_t(rawValue: code)])
        try producer.enqueue("x", to: "t", tag: 7)
        let error = try #require(try producer.reports(1)[7] ?? nil)
        #expect(error.cCode == code)
        #expect(!error.isRetriable)
        #expect(!error.isFatal)
        #expect(error.reason.contains("deliver to topic t"))
        // The producer itself is sound, once the topic's metadata has been asked for again.
        var rounds = 0
        while producer.outstanding == 0, rounds < 100 {
            rounds += 1
            do throws(KafkaError) {
                try producer.enqueue("y", to: "t", tag: 8)
            } catch {
                #expect(error.cCode == code && !error.isFatal)
                try producer.drainDeliveries(timeout: .milliseconds(100)) { _, _ in }
            }
        }
        #expect(try producer.delivered(1) == [8])
    }

    /// librdkafka 2.0.2 does not repeat these by itself: whoever waits for the report sends again.
    @Test(arguments: [RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION].map(\.rawValue))
    func passingTroubleThatComesBackIsRetriable(code: Int32) throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.fail(.produce, with: [rd_kafka_resp_err_t(rawValue: code)])
        try producer.enqueue("x", to: "t", tag: 7)
        let error = try #require(try producer.reports(1)[7] ?? nil)
        #expect(error.cCode == code)
        #expect(error.isRetriable)
        try producer.enqueue("x", to: "t", tag: 8)
        #expect(try producer.delivered(1) == [8])
    }

    @Test func fullQueueStopsTheIntakeAndDropsNothing() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration(extra: ["queue.buffering.max.messages": "10"]))
        mock.setDown()
        for tag in UInt64(0)..<10 { try producer.enqueue("\(tag)", to: "t", tag: tag) }
        let error = #expect(throws: KafkaError.self) { try producer.enqueue("10", to: "t", tag: 10) }
        #expect(error?.code == .queueFull)
        #expect(error?.isRetriable == true)
        #expect(error?.reason.contains("stop the intake") == true)
        #expect(producer.outstanding == 10)
        mock.setUp()
        #expect(try producer.reports(10).keys.sorted() == Array(0..<10))
        try producer.enqueue("10", to: "t", tag: 10)
        #expect(try producer.delivered(1) == [10])
    }

    @Test func brokerAwayAndBackLosesNothing() throws {
        let mock = try MockCluster(topics: ["t": 2])
        let producer = try KafkaProducer(mock.configuration())
        try producer.enqueue("0", to: "t", tag: 0)
        #expect(try producer.delivered(1) == [0])
        mock.setDown()
        for tag in UInt64(1)...50 { try producer.enqueue("\(tag)", to: "t", tag: tag) }
        #expect(try producer.reports(50, within: .milliseconds(300)).isEmpty)
        #expect(producer.outstanding == 50)
        #expect(!producer.flush(timeout: .milliseconds(50)))
        #expect(producer.connectionError?.isRetriable == true)
        mock.setUp()
        let reports = try producer.reports(50)
        #expect(reports.count == 50 && reports.allSatisfy { $0.value == nil })
        #expect(producer.flush(timeout: .zero))
    }

    @Test func recordThatNobodyTakesTimesOutAsRetriable() throws {
        let mock = try MockCluster(topics: ["t": 1])
        var configuration = mock.configuration()
        configuration.messageTimeout = .milliseconds(200)
        let producer = try KafkaProducer(configuration)
        mock.setDown()
        try producer.enqueue("x", to: "t", tag: 1)
        let error = try #require(try producer.reports(1)[1] ?? nil)
        #expect(error.code == .messageTimedOut)
        #expect(error.isRetriable)
        #expect(error.reason.contains(mock.bootstrap))
    }

    @Test func purgedRecordsAreReported() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.setDown()
        for tag in UInt64(0)..<5 { try producer.enqueue("x", to: "t", tag: tag) }
        producer.purge()
        let reports = try producer.reports(5)
        #expect(reports.count == 5)
        #expect(reports.values.allSatisfy { $0?.code == .purgedFromQueue || $0?.code == .purgedInFlight })
        #expect(producer.outstanding == 0)
    }

    @Test func tooLargeRecordIsRefusedAtOnce() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        let error = #expect(throws: KafkaError.self) {
            try producer.enqueueBytes([UInt8](repeating: 1, count: 3 << 20), to: "t", tag: 1)
        }
        #expect(error?.code == .messageTooLarge)
        #expect(error?.isRetriable == false)
        #expect(producer.outstanding == 0)
    }

    @Test func slowBrokerDoesNotHoldTheCaller() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.setRoundTrip(milliseconds: 400)
        try producer.enqueue("x", to: "t", tag: 1)
        var polls = 0
        var reported = false
        while !reported {
            polls += 1
            try producer.drainDeliveries(timeout: .milliseconds(20)) { _, error in reported = error == nil }
        }
        // Each wait ended on its own time, long before the broker answered.
        #expect(polls > 5)
    }

    @Test func sameKeySamePartition() throws {
        let mock = try MockCluster(topics: ["t": 12])
        let producer = try KafkaProducer(mock.configuration())
        for tag in UInt64(0)..<120 { try producer.enqueue("device-\(tag % 10)", to: "t", tag: tag) }
        #expect(try producer.reports(120).count == 120)
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        var places: [String: Set<Int32>] = [:]
        var count = 0
        while count < 120 {
            count += try consumer.poll(max: 120, timeout: .seconds(1)) {
                places[String(decoding: $0.key, as: UTF8.self), default: []].insert($0.partition)
            }
        }
        #expect(places.count == 10)
        #expect(places.values.allSatisfy { $0.count == 1 })
        // Where Java's own partitioner puts them (murmur2 of the key, 12 partitions): see MurmurReference.
        for (key, partitions) in places { #expect(partitions == [MurmurReference.partition(of: key, count: 12)]) }
    }

    @Test func closedProducerSaysSo() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        producer.close()
        producer.close()
        let error = #expect(throws: KafkaError.self) { try producer.enqueue("x", to: "t", tag: 1) }
        #expect(error?.code == .closed)
    }

    @Test func handlesOutliveTheirProducer() throws {
        let mock = try MockCluster(topics: ["t": 1])
        var producer: KafkaProducer? = try KafkaProducer(mock.configuration())
        let handle = try producer?.handle(forTopic: "t")
        producer = nil
        #expect(handle?.name == "t")
    }
}

/// Kafka's murmur2 as its Java client has it (org.apache.kafka.common.utils.Utils.murmur2, toPositive).
enum MurmurReference {
    static func partition(of key: String, count: Int32) -> Int32 {
        let bytes = Array(key.utf8)
        var hash: UInt32 = 0x9747_b28c ^ UInt32(bytes.count)
        for start in stride(from: 0, to: bytes.count - bytes.count % 4, by: 4) {
            var word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) }
            word = word &* 0x5bd1_e995
            word ^= word >> 24
            word = word &* 0x5bd1_e995
            hash = (hash &* 0x5bd1_e995) ^ word
        }
        let tail = bytes.suffix(bytes.count % 4)
        if !tail.isEmpty {
            for (index, byte) in tail.enumerated() { hash ^= UInt32(byte) << (8 * UInt32(index)) }
            hash = hash &* 0x5bd1_e995
        }
        hash ^= hash >> 13
        hash = hash &* 0x5bd1_e995
        hash ^= hash >> 15
        return Int32(hash & 0x7fff_ffff) % count
    }
}
