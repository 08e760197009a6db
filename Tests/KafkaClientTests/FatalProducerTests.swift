import CRdkafka
import TestSupport
import Testing

@testable import KafkaClient

/// An idempotent producer that cannot keep its promise any more turns fatal: a tested path, because it happens after disconnects.
@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct FatalProducerTests {
    @Test func lostSequenceTurnsTheProducerFatalAndNothingIsReportedAsStored() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.fail(.produce, with: [RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER])
        for tag in UInt64(0)..<10 { try producer.enqueue("\(tag)", to: "t", tag: tag) }
        var reports: [UInt64: KafkaError?] = [:]
        var thrown: KafkaError?
        let deadline = ContinuousClock.now + .seconds(20)
        while thrown == nil || reports.count < 10, ContinuousClock.now < deadline {
            do {
                try producer.drainDeliveries(timeout: .milliseconds(50)) { reports.updateValue($1, forKey: $0) }
            } catch {
                thrown = error
            }
        }
        #expect(thrown?.isFatal == true)
        #expect(thrown?.isRetriable == false)
        #expect(thrown?.reason.contains("make a new one") == true)
        #expect(reports.count == 10)
        #expect(reports.values.allSatisfy { $0 != nil })
        #expect(producer.fatalError != nil)
        #expect(throws: KafkaError.self) { try producer.enqueue("late", to: "t", tag: 11) }
        #expect(producer.outstanding == 0)

        // What its owner does then: a new producer, everything unconfirmed again.
        let second = try KafkaProducer(mock.configuration())
        for tag in UInt64(0)..<10 { try second.enqueue("\(tag)", to: "t", tag: tag) }
        let again = try second.reports(10)
        #expect(again.count == 10 && again.values.allSatisfy { $0 == nil })
    }

    @Test func fatalErrorReachesEveryCall() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        rd_kafka_test_fatal_error(producer.client.pointer, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "made by a test")
        let drained = #expect(throws: KafkaError.self) { try producer.drainDeliveries(timeout: .zero) { _, _ in } }
        #expect(drained?.isFatal == true)
        #expect(drained?.reason.contains("made by a test") == true)
        let enqueued = #expect(throws: KafkaError.self) { try producer.enqueue("x", to: "t", tag: 1) }
        #expect(enqueued?.isFatal == true)
        #expect(producer.outstanding == 0)
    }

    @Test func sendersLearnOfTheFatalError() async throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        mock.fail(.produce, with: [RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER])
        let first = await #expect(throws: KafkaError.self) { try await producer.send(topic: "t", key: [1], value: [2]) }
        #expect(first?.isFatal == true)
        let second = await #expect(throws: KafkaError.self) { try await producer.send(topic: "t", key: [1], value: [2]) }
        #expect(second?.isFatal == true)
    }
}
