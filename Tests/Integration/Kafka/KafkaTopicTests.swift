import KafkaClient
import TestSupport
import Testing
import Wire

/// What only a real broker can show: topics with their configuration, and logs that lose their beginning.
@Suite(.blockingThreads, .requiresRealKafka, .timeLimit(.minutes(3)))
struct KafkaTopicTests {
    @Test func catalogueIsMadeOnceWithItsPartitions() async throws {
        try await withKafka { bootstrap, _ in
            let prefix = uniqueName("catalogue") + "."
            let topics = Topics.all.map { $0.prefixed(prefix) }
            let admin = try KafkaAdmin(kafkaConfiguration(bootstrap))
            #expect(Set(try await admin.createTopics(topics, replicationFactor: 1)) == Set(topics.map(\.name)))
            #expect(try await admin.createTopics(topics, replicationFactor: 1) == [])
            // The broker answers a creation before it lists the topic.
            var listed: [KafkaAdmin.TopicDescription] = []
            try await eventually("all topics are listed") {
                listed = try await admin.listTopics().filter { $0.name.hasPrefix(prefix) }
                return listed.count == topics.count
            }
            #expect(listed.allSatisfy { $0.replicationFactor == 1 })
            #expect(
                Dictionary(uniqueKeysWithValues: listed.map { ($0.name, $0.partitions) })
                    == Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0.partitions) }))
        }
    }

    @Test func impossibleTopicsAreRefusedAndTheOthersMade() async throws {
        try await withKafka { bootstrap, _ in
            let good = uniqueName("good")
            let admin = try KafkaAdmin(kafkaConfiguration(bootstrap))
            let error = await #expect(throws: KafkaError.self) {
                try await admin.createTopics([
                    .init(name: uniqueName("bad"), partitions: 1, replicationFactor: 99), .init(name: good, partitions: 1),
                ])
            }
            #expect(error?.code == .invalidReplicationFactor)
            #expect(error?.reason.contains("bad-") == true)
            try await eventually("the good topic is listed") { try await admin.listTopics().contains { $0.name == good } }
        }
    }

    @Test func topicConfigurationReachesTheBroker() async throws {
        try await withKafka { bootstrap, _ in
            let topic = uniqueName("small")
            let configuration = kafkaConfiguration(bootstrap)
            try await KafkaAdmin(configuration).createTopics([
                .init(name: topic, partitions: 1, configuration: ["max.message.bytes": "2000"])
            ])
            let producer = try KafkaProducer(configuration)
            var random = SeededRandom(seed: 7)
            let error = await #expect(throws: KafkaError.self) {
                try await producer.send(topic: topic, key: [1], value: random.bytes(10_000))
            }
            #expect(error?.code == .messageTooLarge)
            try await producer.send(topic: topic, key: [1], value: random.bytes(1_000))
        }
    }

    @Test func longestMessageOfTheCatalogueFits() async throws {
        try await withKafka { bootstrap, _ in
            let topic = Topics.deadLetters.prefixed(uniqueName("long") + ".")
            let configuration = kafkaConfiguration(bootstrap)
            try await KafkaAdmin(configuration).createTopics([AnyTopic(topic)], replicationFactor: 1)
            var random = SeededRandom(seed: 8)
            // Random bytes do not shrink under lz4.
            try await KafkaProducer(configuration).send(topic: topic.name, key: [1], value: random.bytes(WireLimits.messageBytes))
            let owner = SinkOwner(CountingSink())
            let consumer = try KafkaConsumer(configuration, group: uniqueName("g"), topics: [topic.name], owner: owner)
            var length = 0
            while length == 0 { try consumer.poll(max: 1, timeout: .seconds(1)) { length = $0.value.count } }
            #expect(length == WireLimits.messageBytes)
        }
    }

    @Test func recordsDeletedUnreadAreAnIncident() async throws {
        try await withKafka { bootstrap, _ in
            let topic = uniqueName("short-lived")
            let partition = TopicPartition(topic: topic, partition: 0)
            let configuration = kafkaConfiguration(bootstrap)
            try await KafkaAdmin(configuration).createTopics([
                .init(
                    name: topic, partitions: 1, configuration: ["retention.ms": "200", "segment.ms": "200", "file.delete.delay.ms": "100"])
            ])
            let producer = try KafkaProducer(configuration)
            try producer.store((0..<10).map { "old-\($0)" }, in: topic)
            let sink = CountingSink()
            try sink.store(["read before"], of: partition, from: 0)
            // The sink has read one record; the broker deletes all ten within seconds.
            var incident: KafkaError?
            let deadline = ContinuousClock.now + .seconds(60)
            while incident == nil, ContinuousClock.now < deadline {
                let consumer = try KafkaConsumer(configuration, group: uniqueName("g"), topics: [topic], owner: SinkOwner(sink))
                do {
                    for _ in 0..<10 { try consumer.poll(max: 1, timeout: .milliseconds(200)) { _ in } }
                } catch let error as KafkaError {
                    incident = error
                }
            }
            #expect(incident?.code == .offsetReset || incident?.code == .offsetOutOfRange)
            #expect(incident?.isRetriable == false)
            #expect(incident?.reason.contains("\(topic)[0]") == true)

            // A sink that knows nothing starts with the oldest record there is: no incident.
            try producer.store(["new"], in: topic)
            let fresh = SinkOwner(CountingSink())
            let consumer = try KafkaConsumer(configuration, group: uniqueName("g"), topics: [topic], owner: fresh)
            var seen: [String] = []
            var rounds = 0
            while seen.isEmpty, rounds < 100 {
                rounds += 1
                try consumer.poll(max: 1, timeout: .milliseconds(100)) { seen.append(String(decoding: $0.value, as: UTF8.self)) }
                // It may have been deleted already: then there is another.
                if seen.isEmpty { try producer.store(["new"], in: topic) }
            }
            #expect(seen == ["new"])
        }
    }

    @Test func missingTopicIsSaidAndRetriable() async throws {
        try await withKafka { bootstrap, _ in
            let producer = try KafkaProducer(kafkaConfiguration(bootstrap))
            let topic = uniqueName("nowhere")
            let sent = await #expect(throws: KafkaError.self) { try await producer.send(topic: topic, key: [], value: [1]) }
            #expect(sent?.code == .unknownTopic || sent?.code == .unknownTopicOrPartition)
            let consumer = try KafkaConsumer(
                kafkaConfiguration(bootstrap), group: uniqueName("g"), topics: [topic], owner: SinkOwner(CountingSink()))
            var said: KafkaError?
            var rounds = 0
            while said == nil, rounds < 100 {
                rounds += 1
                do { try consumer.poll(max: 1, timeout: .milliseconds(200)) { _ in } } catch let error as KafkaError { said = error }
            }
            #expect(said?.code == .unknownTopicOrPartition)
            #expect(said?.isRetriable == true)
            #expect(said?.reason.contains("create the topic") == true)
        }
    }
}
