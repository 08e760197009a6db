import CRdkafka
import Domain
import KafkaClient
import TestSupport
import Testing

@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct ConsumerTests {
    let zero = TopicPartition(topic: "t", partition: 0)

    /// A topic `t` of one partition that holds `0`, `1`, … in order.
    func filled(_ count: Int) throws -> MockCluster {
        let mock = try MockCluster(topics: ["t": 1])
        try fill(mock, 0..<count)
        return mock
    }

    func fill(_ mock: MockCluster, _ range: Range<Int>) throws {
        let producer = try KafkaProducer(mock.configuration())
        for index in range { try producer.enqueue("\(index)", to: "t", tag: UInt64(index)) }
        try #require(try producer.reports(range.count).values.allSatisfy { $0 == nil })
    }

    func consumer(_ mock: MockCluster, _ owner: RecordingOwner, extra: [String: String] = [:]) throws -> KafkaConsumer {
        try KafkaConsumer(mock.configuration(extra: extra), group: "g", topics: ["t"], owner: owner)
    }

    @Test func partitionTheSinkDoesNotKnowStartsWithTheOldestRecord() throws {
        let mock = try filled(10)
        let owner = RecordingOwner()
        let consumer = try consumer(mock, owner)
        #expect(try consumer.texts(10) == (0..<10).map { "\($0)" })
        #expect(owner.events == [.assigned([zero])])
        #expect(consumer.assignment == [zero])
    }

    @Test func edgesOfTheLogAreAskedOfTheBroker() throws {
        let mock = try filled(10)
        let consumer = try consumer(mock, RecordingOwner())
        #expect(try consumer.offsets(of: .end, timeout: .seconds(5)) == [:])
        _ = try consumer.texts(3)
        try fill(mock, 10..<12)
        #expect(try consumer.offsets(of: .oldest, timeout: .seconds(5)) == [zero: 0])
        #expect(try consumer.offsets(of: .end, timeout: .seconds(5)) == [zero: 12])
    }

    @Test func startsWhereTheSinkSaysAndNotWhereKafkaThinks() throws {
        let mock = try filled(10)
        let first = RecordingOwner()
        do {
            let consumer = try consumer(mock, first)
            _ = try consumer.texts(10)
            consumer.commitForDisplay([zero: 10])
            consumer.close()
        }
        #expect(first.events == [.assigned([zero]), .revoked([zero], lost: false)])
        let second = RecordingOwner()
        second.next = [zero: 4]
        let consumer = try consumer(mock, second)
        #expect(try consumer.texts(6) == (4..<10).map { "\($0)" })
        #expect(consumer.positions() == [zero: 10])
    }

    @Test func pollKeepsToItsMaximum() throws {
        let mock = try filled(10)
        let consumer = try consumer(mock, RecordingOwner())
        var offsets: [Int64] = []
        while offsets.isEmpty { try consumer.poll(max: 3, timeout: .seconds(5)) { offsets.append($0.offset) } }
        #expect(offsets == [0, 1, 2])
        #expect(try consumer.poll(max: 4, timeout: .seconds(5)) { offsets.append($0.offset) } == 4)
        #expect(offsets == Array(0..<7))
    }

    @Test func lagAndPositionFollowWhatWasHandedOut() throws {
        let mock = try filled(10)
        let owner = RecordingOwner()
        owner.next = [zero: 2]
        let consumer = try consumer(mock, owner)
        #expect(consumer.lag().isEmpty)
        _ = try consumer.texts(3)
        #expect(consumer.positions() == [zero: 5])
        #expect(consumer.lag() == [zero: 5])
        _ = try consumer.texts(5)
        #expect(consumer.lag() == [zero: 0])
    }

    @Test func ownersErrorComesOutOfPollAndTheNextPollAsksAgain() throws {
        let mock = try filled(3)
        let owner = RecordingOwner()
        owner.refusals = [.init(text: "database away"), .init(text: "still away")]
        let consumer = try consumer(mock, owner)
        for refusal in ["database away", "still away"] {
            let error = #expect(throws: RecordingOwner.Refusal.self) {
                while true { try consumer.poll(max: 1, timeout: .seconds(1)) { _ in Issue.record("a record came without an owner") } }
            }
            #expect(error?.text == refusal)
            #expect(consumer.assignment.isEmpty)
        }
        #expect(try consumer.texts(3) == ["0", "1", "2"])
        #expect(owner.events == [.assigned([zero]), .assigned([zero]), .assigned([zero])])
    }

    @Test func ownerIsNotToldOfThePartitionsItCouldNotTake() throws {
        let mock = try filled(1)
        let owner = RecordingOwner()
        owner.refusals = [.init(text: "no")]
        let consumer = try consumer(mock, owner)
        #expect(throws: RecordingOwner.Refusal.self) { while true { try consumer.poll(max: 1, timeout: .seconds(1)) { _ in } } }
        consumer.close()
        #expect(owner.events == [.assigned([zero])])
    }

    @Test func offsetThatIsNotInTheLogIsAnIncidentUntilSomebodyDecides() throws {
        let mock = try filled(5)
        let owner = RecordingOwner()
        owner.next = [zero: 1_000_000]
        let consumer = try consumer(mock, owner)
        let error = try #require(try consumer.firstError())
        #expect(error.code == .offsetReset || error.code == .offsetOutOfRange)
        #expect(!error.isRetriable && !error.isFatal)
        #expect(error.reason.contains("t[0]"))
        // It does not go away by itself, and nothing is skipped.
        for _ in 0..<3 {
            #expect(throws: KafkaError.self) { try consumer.poll(max: 1, timeout: .milliseconds(50)) { _ in Issue.record("skipped") } }
        }
        try consumer.restart(at: [zero: 3])
        #expect(try consumer.texts(2) == ["3", "4"])
    }

    @Test func negativeOffsetOfTheSinkIsRefused() throws {
        let mock = try filled(1)
        let owner = RecordingOwner()
        owner.next = [zero: -5]
        let consumer = try consumer(mock, owner)
        #expect(try consumer.firstError()?.code == .invalidArgument)
    }

    @Test func restartBringsRecordsAgainAndLeavesOtherPartitionsWhereTheyAre() throws {
        let mock = try MockCluster(topics: ["t": 2])
        let producer = try KafkaProducer(mock.configuration())
        // One key per partition, found by trial.
        let keys = (0..<50).map { "key\($0)" }
        let byPartition = Dictionary(grouping: keys) { MurmurReference.partition(of: $0, count: 2) }
        let left = try #require(byPartition[0]?.first)
        let right = try #require(byPartition[1]?.first)
        for tag in UInt64(0)..<10 { try producer.enqueue(tag % 2 == 0 ? left : right, to: "t", tag: tag) }
        _ = try producer.reports(10)
        let consumer = try consumer(mock, RecordingOwner())
        #expect(try consumer.texts(10).count == 10)
        try consumer.restart(at: [zero: 2])
        var seen: [TopicPartition: [Int64]] = [:]
        let deadline = ContinuousClock.now + .seconds(20)
        while seen[zero, default: []].count < 3, ContinuousClock.now < deadline {
            try consumer.poll(max: 10, timeout: .milliseconds(200)) { seen[$0.topicPartition, default: []].append($0.offset) }
        }
        try consumer.poll(max: 10, timeout: .milliseconds(200)) { seen[$0.topicPartition, default: []].append($0.offset) }
        #expect(seen == [zero: [2, 3, 4]])
        #expect(consumer.positions() == [zero: 5, TopicPartition(topic: "t", partition: 1): 5])
    }

    /// A failed transaction may bring its partitions back one by one, with no poll between.
    @Test func restartsAddUp() throws {
        let mock = try MockCluster(topics: ["t": 3])
        let producer = try KafkaProducer(mock.configuration())
        for tag in UInt64(0)..<60 { try producer.enqueue("k\(tag)", to: "t", tag: tag) }
        _ = try producer.reports(60)
        let consumer = try consumer(mock, RecordingOwner())
        let all = try consumer.texts(60)
        #expect(all.count == 60)
        let ends = consumer.positions()
        #expect(ends.count == 3 && ends.values.reduce(0, +) == 60)
        for partition in ends.keys {
            try consumer.restart(at: [partition: 0])
            #expect(consumer.positions()[partition] == 0)
        }
        #expect(consumer.positions().values.allSatisfy { $0 == 0 })
        #expect(Set(try consumer.texts(60)) == Set(all))
        #expect(consumer.positions() == ends)
    }

    @Test func restartOfAStrangePartitionIsRefused() throws {
        let mock = try filled(1)
        let consumer = try consumer(mock, RecordingOwner())
        _ = try consumer.texts(1)
        let error = #expect(throws: KafkaError.self) { try consumer.restart(at: [TopicPartition(topic: "t", partition: 9): 0]) }
        #expect(error?.code == .unknownPartition)
    }

    @Test func errorOfTheBodyComesOutAndRestartRepeatsItsRecord() throws {
        struct Bad: Error {}
        let mock = try filled(4)
        let consumer = try consumer(mock, RecordingOwner())
        _ = try consumer.texts(1)
        #expect(throws: Bad.self) { while true { try consumer.poll(max: 4, timeout: .seconds(1)) { _ in throw Bad() } } }
        try consumer.restart(at: [zero: 1])
        #expect(try consumer.texts(3) == ["1", "2", "3"])
    }

    @Test(
        arguments: [
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
            RD_KAFKA_RESP_ERR__TRANSPORT,
        ].map(\.rawValue))
    func troubleWithFetchingSkipsNothing(code: Int32) throws {
        let mock = try filled(20)
        mock.fail(.fetch, with: [rd_kafka_resp_err_t](repeating: .init(rawValue: code), count: 3))
        let consumer = try consumer(mock, RecordingOwner(), extra: ["topic.metadata.refresh.fast.interval.ms": "20"])
        var texts: [String] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while texts.count < 20, ContinuousClock.now < deadline {
            do {
                try consumer.poll(max: 7, timeout: .milliseconds(200)) { texts.append(String(decoding: $0.value, as: UTF8.self)) }
            } catch let error as KafkaError {
                #expect(error.isRetriable, "\(error)")
            }
        }
        #expect(texts == (0..<20).map { "\($0)" })
    }

    @Test func missingRightToReadIsThrown() throws {
        let mock = try filled(1)
        mock.fail(.fetch, with: [RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED])
        let error = try #require(try consumer(mock, RecordingOwner()).firstError())
        #expect(error.code == .topicAuthorizationFailed)
        #expect(!error.isRetriable)
    }

    @Test func brokerAwayAndBackSkipsNothing() throws {
        let mock = try filled(10)
        let consumer = try consumer(mock, RecordingOwner())
        var texts = try consumer.texts(4)
        mock.setDown()
        try consumer.poll(max: 100, timeout: .milliseconds(300)) { texts.append(String(decoding: $0.value, as: UTF8.self)) }
        #expect(consumer.connectionError?.isRetriable == true)
        mock.setUp()
        try fill(mock, 10..<20)
        texts += try consumer.texts(20 - texts.count)
        #expect(texts == (0..<20).map { "\($0)" })
    }

    @Test func closedConsumerSaysSo() throws {
        let mock = try filled(1)
        let consumer = try consumer(mock, RecordingOwner())
        consumer.close()
        consumer.close()
        let error = #expect(throws: KafkaError.self) { try consumer.poll(max: 1, timeout: .zero) { _ in } }
        #expect(error?.code == .closed)
    }

    @Test func recordKnowsItsPlaceAndTime() throws {
        let mock = try filled(2)
        let consumer = try consumer(mock, RecordingOwner())
        var seen: [(String, Int32, Int64, Bool, Bool)] = []
        while seen.count < 2 {
            try consumer.poll(max: 2, timeout: .seconds(1)) {
                seen.append(($0.topic, $0.partition, $0.offset, $0.timestamp.map { $0.microseconds > 0 } ?? false, $0.isTombstone))
            }
        }
        #expect(seen.map(\.0) == ["t", "t"] && seen.map(\.1) == [0, 0] && seen.map(\.2) == [0, 1])
        #expect(seen.allSatisfy { $0.3 && !$0.4 })
    }
}
