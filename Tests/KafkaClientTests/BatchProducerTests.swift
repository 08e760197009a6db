import CRdkafka
import TestSupport
import Testing

@testable import KafkaClient

@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct BatchProducerTests {
    private func enqueue(_ producer: KafkaBatchProducer, _ text: String, _ tag: UInt64) throws {
        let topic = try producer.handle(forTopic: "t")
        try Array(text.utf8).withUnsafeBytes { try producer.enqueue(to: topic, key: $0, value: $0, tag: tag) }
    }

    /// Flushes until nothing is outstanding.
    private func reports(_ producer: KafkaBatchProducer) throws -> [UInt64: KafkaError?] {
        var reports: [UInt64: KafkaError?] = [:]
        let deadline = ContinuousClock.now + .seconds(30)
        while producer.outstanding > 0, ContinuousClock.now < deadline {
            try producer.flush(timeout: .milliseconds(100)) { reports.updateValue($1, forKey: $0) }
        }
        return reports
    }

    @Test func everyRecordOfABatchIsReportedOnce() throws {
        let mock = try MockCluster(topics: ["t": 3])
        // Only a flush can send within the time limit: the timer lies far beyond it.
        var configuration = mock.configuration()
        configuration.linger = .seconds(200)
        let producer = try KafkaBatchProducer(configuration)
        for batch in UInt64(0)..<3 {
            let tags = batch * 1_000..<(batch + 1) * 1_000
            for tag in tags { try enqueue(producer, "v\(tag)", tag) }
            #expect(producer.outstanding == 1_000)
            let reports = try reports(producer)
            #expect(Set(reports.keys) == Set(tags) && reports.values.allSatisfy { $0 == nil })
        }
        try producer.serve()
        var late = 0
        let isEmpty = try producer.flush(timeout: .zero) { _, _ in late += 1 }
        #expect(isEmpty && late == 0)
    }

    @Test func aFailureCarriesItsReason() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaBatchProducer(mock.configuration())
        mock.fail(.produce, with: [RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED])
        try enqueue(producer, "x", 7)
        let error = try #require(try reports(producer)[7] ?? nil)
        #expect(error.cCode == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED.rawValue && error.reason.contains("topic t"))
    }

    @Test func afterAFatalErrorNothingCountsAsStored() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaBatchProducer(mock.configuration())
        mock.fail(.produce, with: [RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER])
        for tag in UInt64(0)..<10 { try enqueue(producer, "\(tag)", tag) }
        var failed = 0
        var thrown: KafkaError?
        let deadline = ContinuousClock.now + .seconds(20)
        while thrown == nil || failed < 10, ContinuousClock.now < deadline {
            do { try producer.flush(timeout: .milliseconds(50)) { failed += $1 == nil ? 0 : 1 } } catch { thrown = error }
        }
        #expect(thrown?.isFatal == true && failed == 10 && producer.fatalError != nil)
        #expect(throws: KafkaError.self) { try enqueue(producer, "late", 11) }
        // Its owner gives it up with all that it holds and makes another.
        producer.abandon()
        let second = try KafkaBatchProducer(mock.configuration())
        try enqueue(second, "again", 1)
        #expect(try reports(second).values.allSatisfy { $0 == nil })
    }

    @Test func aFullQueueIsSaidAndEmptiedByAFlush() throws {
        let mock = try MockCluster(topics: ["t": 1])
        var configuration = mock.configuration(extra: ["queue.buffering.max.messages": "10"])
        configuration.linger = .seconds(200)
        let producer = try KafkaBatchProducer(configuration)
        for tag in UInt64(0)..<10 { try enqueue(producer, "v", tag) }
        let error = #expect(throws: KafkaError.self) { try enqueue(producer, "v", 10) }
        #expect(error?.code == .queueFull && error?.isRetriable == true)
        #expect(try reports(producer).count == 10)
        try enqueue(producer, "v", 10)
        #expect(try reports(producer).count == 1)
    }
}
