import KafkaClient
import Synchronization
import TestSupport
import Testing

private final class Countdown: Sendable {
    private let rest: Atomic<Int>
    init(_ count: Int) { rest = Atomic(count) }
    var isOver: Bool { rest.load(ordering: .acquiring) <= 0 }
    func step() { rest.subtract(1, ordering: .releasing) }
}

/// Consumer groups whose offsets belong to the sink, on a broker that shares partitions out for real.
@Suite(.blockingThreads, .requiresRealKafka, .timeLimit(.minutes(3)))
struct KafkaGroupTests {
    func topic(_ bootstrap: String, _ purpose: String, partitions: Int) async throws -> String {
        let name = uniqueName(purpose)
        try await KafkaAdmin(kafkaConfiguration(bootstrap)).createTopics([.init(name: name, partitions: partitions)])
        return name
    }

    @Test func membersThatComeAndGoStoreEverythingOnce() async throws {
        try await withKafka { bootstrap, _ in
            let topic = try await topic(bootstrap, "handover", partitions: 12)
            let texts = (0..<20_000).map { "r\($0)" }
            let sink = CountingSink()
            let group = uniqueName("group")
            let left = Countdown(6)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    let producer = try KafkaProducer(kafkaConfiguration(bootstrap, client: "producer"))
                    for start in stride(from: 0, to: texts.count, by: 500) {
                        try producer.store(Array(texts[start..<start + 500]), in: topic)
                    }
                }
                // One member stays; others come, take their share for a while and leave.
                tasks.addTask {
                    let owner = SinkOwner(sink)
                    let consumer = try KafkaConsumer(
                        kafkaConfiguration(bootstrap, client: "stays"), group: group, topics: [topic], owner: owner)
                    try consume(owner, consumer) { sink.count == texts.count && left.isOver }
                    #expect(owner.assignments >= 2)
                }
                for number in 0..<2 {
                    tasks.addTask {
                        for round in 0..<3 {
                            let owner = SinkOwner(sink)
                            let consumer = try KafkaConsumer(
                                kafkaConfiguration(bootstrap, client: "guest-\(number)-\(round)"), group: group, topics: [topic],
                                owner: owner)
                            var steps = 0
                            try consume(owner, consumer) {
                                if !consumer.assignment.isEmpty { steps += 1 }
                                return steps > 3
                            }
                            consumer.close()
                            left.step()
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(sink.count == texts.count)
            #expect(sink.doubled == [])
        }
    }

    @Test func staticMemberComesBackWithoutARebalance() async throws {
        try await withKafka { bootstrap, _ in
            let topic = try await topic(bootstrap, "static", partitions: 4)
            let group = uniqueName("group")
            let sink = CountingSink()
            let stays = SinkOwner(sink)
            let other = SinkOwner(sink)
            let first = try KafkaConsumer(
                kafkaConfiguration(bootstrap, client: "a"), group: group, groupInstance: "a", topics: [topic], owner: stays)
            var second: KafkaConsumer? = try KafkaConsumer(
                kafkaConfiguration(bootstrap, client: "b"), group: group, groupInstance: "b", topics: [topic], owner: other)
            var rounds = 0
            while first.assignment.count != 2 || second?.assignment.count != 2, rounds < 300 {
                rounds += 1
                try stays.step(first)
                if let second { try other.step(second) }
            }
            let partitions = second?.assignment
            #expect(partitions?.count == 2)
            let before = stays.assignments
            second?.close()
            second = try KafkaConsumer(
                kafkaConfiguration(bootstrap, client: "b"), group: group, groupInstance: "b", topics: [topic], owner: other)
            rounds = 0
            while second?.assignment != partitions, rounds < 300 {
                rounds += 1
                try stays.step(first)
                if let second { try other.step(second) }
            }
            #expect(second?.assignment == partitions)
            #expect(stays.assignments == before)
        }
    }

    @Test func memberThatWasAwayTooLongFailsTheOffsetComparison() async throws {
        try await withKafka { bootstrap, _ in
            let topic = try await topic(bootstrap, "zombie", partitions: 1)
            let partition = TopicPartition(topic: topic, partition: 0)
            try KafkaProducer(kafkaConfiguration(bootstrap)).store(["0", "1", "2"], in: topic)
            let group = uniqueName("group")
            let sink = CountingSink()
            var impatient = kafkaConfiguration(bootstrap, client: "slow")
            impatient.sessionTimeout = .seconds(2)
            impatient.pollInterval = .seconds(2)
            let slow = SinkOwner(sink)
            let sleeper = try KafkaConsumer(impatient, group: group, topics: [topic], owner: slow)
            var held: [String] = []
            while held.count < 3 {
                try sleeper.poll(max: 3, timeout: .seconds(1)) { held.append(String(decoding: $0.value, as: UTF8.self)) }
            }
            // It holds a batch and polls no more: the group gives its partition to the other member, which stores the same records.
            let quick = SinkOwner(sink)
            let other = try KafkaConsumer(kafkaConfiguration(bootstrap, client: "quick"), group: group, topics: [topic], owner: quick)
            try consume(quick, other) { sink.count == 3 }
            #expect(throws: CountingSink.Zombie.self) { try sink.store(held, of: partition, from: 0) }
            other.close()
            // Back again, it is told that its partition was taken (as lost or not, by what came first), and goes on from the sink's
            // offset.
            try consume(slow, sleeper) { slow.assignments >= 2 && sleeper.assignment == [partition] }
            #expect(!slow.revocations.isEmpty)
            #expect(sleeper.positions() == [partition: 3])
            #expect(sink.doubled == [])
        }
    }

    @Test func lagCountsWhatIsNotTakenYet() async throws {
        try await withKafka { bootstrap, _ in
            let topic = try await topic(bootstrap, "lag", partitions: 1)
            let partition = TopicPartition(topic: topic, partition: 0)
            let producer = try KafkaProducer(kafkaConfiguration(bootstrap))
            try producer.store((0..<100).map { "\($0)" }, in: topic)
            let owner = SinkOwner(CountingSink())
            let consumer = try KafkaConsumer(kafkaConfiguration(bootstrap), group: uniqueName("g"), topics: [topic], owner: owner)
            var taken = 0
            while taken == 0 { taken += try owner.step(consumer, max: 40) }
            #expect(consumer.lag() == [partition: Int64(100 - taken)])
            while taken < 100 { taken += try owner.step(consumer) }
            #expect(consumer.lag() == [partition: 0])
            try producer.store((100..<130).map { "\($0)" }, in: topic)
            while taken < 130 { taken += try owner.step(consumer) }
            #expect(consumer.lag() == [partition: 0])
        }
    }
}
