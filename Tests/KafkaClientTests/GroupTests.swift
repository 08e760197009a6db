import CRdkafka
import Glibc
import KafkaClient
import TestSupport
import Testing

/// What the group's coordinator may do to a consumer.
@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct GroupTests {
    let zero = TopicPartition(topic: "t", partition: 0)

    func filled(_ count: Int) throws -> MockCluster {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        for index in 0..<count { try producer.enqueue("\(index)", to: "t", tag: UInt64(index)) }
        try #require(try producer.reports(count).values.allSatisfy { $0 == nil })
        return mock
    }

    @Test(
        arguments: [
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR__TRANSPORT,
        ].map(\.rawValue))
    func coordinatorThatIsAwayIsWaitedFor(code: Int32) throws {
        let mock = try filled(3)
        mock.fail(.findCoordinator, with: [.init(rawValue: code), .init(rawValue: code)])
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        #expect(try consumer.texts(3) == ["0", "1", "2"])
    }

    @Test(
        arguments: [
            RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
        ].map(\.rawValue))
    func troubleWhileJoiningIsRetried(code: Int32) throws {
        let mock = try filled(3)
        mock.fail(.joinGroup, with: [.init(rawValue: code)])
        mock.fail(.syncGroup, with: [.init(rawValue: code)])
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        #expect(try consumer.texts(3) == ["0", "1", "2"])
    }

    @Test func missingRightOnTheGroupIsThrown() throws {
        let mock = try filled(1)
        mock.fail(.joinGroup, with: [RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED])
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        let error = try #require(try consumer.firstError())
        #expect(error.code == .groupAuthorizationFailed)
        #expect(!error.isRetriable)
    }

    @Test func memberTheGroupHasForgottenLosesItsPartitionsAndStartsFromTheSinkAgain() throws {
        let mock = try filled(5)
        let owner = RecordingOwner()
        let consumer = try KafkaConsumer(
            mock.configuration(extra: ["heartbeat.interval.ms": "100"]), group: "g", topics: ["t"], owner: owner)
        #expect(try consumer.texts(5).count == 5)
        owner.next = [zero: 3]
        mock.fail(.heartbeat, with: [RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID])
        #expect(try consumer.texts(2) == ["3", "4"])
        #expect(owner.events == [.assigned([zero]), .revoked([zero], lost: true), .assigned([zero])])
    }

    /// A sink that has just learnt that others have written for it goes back to its stored offsets, and the next poll takes the partitions
    /// away.
    @Test func partitionsPlacedAnewMayGoAtOnce() throws {
        let mock = try MockCluster(topics: ["t": 12])
        let producer = try KafkaProducer(mock.configuration())
        for index in 0..<120 { try producer.enqueue("\(index)", to: "t", tag: UInt64(index)) }
        try #require(try producer.reports(120).values.allSatisfy { $0 == nil })
        let owner = RecordingOwner()
        let consumer = try KafkaConsumer(
            mock.configuration(extra: ["heartbeat.interval.ms": "100"]), group: "g", topics: ["t"], owner: owner)
        for _ in 0..<2 {
            _ = try consumer.texts(120)
            mock.fail(.heartbeat, with: [RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID])
            let before = owner.events.count
            while owner.events.count == before {
                try consumer.restart(at: Dictionary(uniqueKeysWithValues: consumer.assignment.map { ($0, 0) }))
                try consumer.poll(max: 1, timeout: .zero) { _ in }
            }
        }
        #expect(Set(try consumer.texts(120)) == Set((0..<120).map { "\($0)" }))
    }

    @Test func slowBatchLeavesTheGroupSaysSoAndComesBack() throws {
        let mock = try filled(3)
        let owner = RecordingOwner()
        var configuration = mock.configuration()
        // The mock group takes 3 s to form; a shorter session would end before.
        configuration.sessionTimeout = .milliseconds(3500)
        configuration.pollInterval = .milliseconds(3500)
        let consumer = try KafkaConsumer(configuration, group: "g", topics: ["t"], owner: owner)
        #expect(try consumer.texts(3).count == 3)
        // Not polling for too long is the condition under test: librdkafka looks once a second.
        usleep(5_000_000)
        let error = try #require(try consumer.firstError())
        #expect(error.code == .pollIntervalExceeded)
        #expect(error.isRetriable)
        #expect(error.reason.contains("max.poll.interval.ms"))
        #expect(try consumer.texts(3) == ["0", "1", "2"])
        #expect(owner.events == [.assigned([zero]), .revoked([zero], lost: true), .assigned([zero])])
    }

    @Test func fencedStaticMemberIsFatal() throws {
        let mock = try filled(1)
        mock.fail(.joinGroup, with: [RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID])
        let consumer = try KafkaConsumer(
            mock.configuration(), group: "g", groupInstance: "writer-1", topics: ["t"], owner: RecordingOwner())
        let error = try #require(try consumer.firstError())
        #expect(error.isFatal)
        #expect(error.code == .fencedInstance)
        #expect(throws: KafkaError.self) { try consumer.poll(max: 1, timeout: .zero) { _ in } }
    }

    @Test func failedDisplayCommitsAreCountedAndDisturbNothing() throws {
        let mock = try filled(5)
        let consumer = try KafkaConsumer(mock.configuration(), group: "g", topics: ["t"], owner: RecordingOwner())
        #expect(try consumer.texts(2) == ["0", "1"])
        mock.fail(.offsetCommit, with: [RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED])
        consumer.commitForDisplay([zero: 2])
        var texts: [String] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while consumer.commitFailures.count == 0, ContinuousClock.now < deadline {
            try consumer.poll(max: 10, timeout: .milliseconds(50)) { texts.append(String(decoding: $0.value, as: UTF8.self)) }
        }
        #expect(consumer.commitFailures.count == 1)
        #expect(consumer.commitFailures.last?.code == .groupAuthorizationFailed)
        #expect(texts == ["2", "3", "4"])
        consumer.commitForDisplay([zero: 5])
        try consumer.poll(max: 10, timeout: .milliseconds(300)) { _ in }
        #expect(consumer.commitFailures.count == 1)
    }

    @Test func partitionsAreSharedOutWhenAnotherMemberComesAndGoes() throws {
        let mock = try MockCluster(topics: ["t": 4])
        let both = [RecordingOwner(), RecordingOwner()]
        let extra = ["heartbeat.interval.ms": "100"]
        let first = try KafkaConsumer(mock.configuration("a", extra: extra), group: "g", topics: ["t"], owner: both[0])
        var rounds = 0
        while first.assignment.count < 4, rounds < 200 {
            rounds += 1
            try first.poll(max: 10, timeout: .milliseconds(50)) { _ in }
        }
        #expect(first.assignment.count == 4)
        let second = try KafkaConsumer(mock.configuration("b", extra: extra), group: "g", topics: ["t"], owner: both[1])
        rounds = 0
        while first.assignment.count != 2 || second.assignment.count != 2, rounds < 400 {
            rounds += 1
            try first.poll(max: 10, timeout: .milliseconds(20)) { _ in }
            try second.poll(max: 10, timeout: .milliseconds(20)) { _ in }
        }
        #expect(Set(first.assignment + second.assignment).count == 4)
        #expect(first.assignment.count == 2)
        second.close()
        rounds = 0
        while first.assignment.count < 4, rounds < 400 {
            rounds += 1
            try first.poll(max: 10, timeout: .milliseconds(50)) { _ in }
        }
        #expect(first.assignment.count == 4)
        #expect(both[1].events.last == .revoked(both[1].events.compactMap(\.taken).last ?? [], lost: false))
    }
}

extension RecordingOwner.Event {
    var taken: [TopicPartition]? { if case .assigned(let partitions) = self { partitions } else { nil } }
}
