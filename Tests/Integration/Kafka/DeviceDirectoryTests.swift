import DeviceDirectory
import Domain
import KafkaClient
import Logging
import Metrics
import ServiceKit
import TestSupport
import Testing
import Wire

/// A directory that follows the registry's topics on a real broker.
@Suite(.blockingThreads, .timeLimit(.minutes(3)))
struct DeviceDirectoryTests {
    /// A follower on a thread of its own; `stop` waits until it has ended.
    private final class Following: Sendable {
        let directory: DeviceDirectory
        private let running: Task<Void, any Error>

        init(_ bootstrap: String, prefix: String) {
            let directory = DeviceDirectory()
            self.directory = directory
            running = Task {
                try await runOnDedicatedThread(name: "follower") { shutdown in
                    var follower = DirectoryFollower(
                        directory, kafkaConfiguration(bootstrap), prefix: prefix, logger: Logger(label: "test", level: .error),
                        metrics: DirectoryMetrics(MetricsRegistry(), directory))
                    follower.run(until: { shutdown.isShuttingDown }, wait: { _ in shutdown.wait(atMost: .milliseconds(100)) })
                }
            }
        }

        func lifecycle(_ id: String) -> DeviceRecord.Lifecycle? {
            Array(id.utf8).withUnsafeBytes { directory.standing(of: $0)?.lifecycle }
        }

        func stop() async throws {
            running.cancel()
            try await running.value
        }
    }

    private struct Registry {
        let producer: KafkaProducer
        let devices: TopicHandle<DeviceRecord>
        let types: TopicHandle<DeviceTypeRecord>

        init(_ bootstrap: String, prefix: String) throws {
            producer = try KafkaProducer(kafkaConfiguration(bootstrap))
            devices = try producer.handle(for: Topics.registryDevices.prefixed(prefix))
            types = try producer.handle(for: Topics.registryTypes.prefixed(prefix))
        }

        func put(_ id: String, _ revision: Int64, _ lifecycle: DeviceRecord.Lifecycle = .active) throws {
            var buffer = WireBuffer()
            let record = DeviceRecord(
                device: try DeviceID(id), revision: revision, updated: .unixEpoch, lifecycle: lifecycle, type: "pump")
            try producer.enqueue(record, to: devices, buffer: &buffer, tag: 0)
        }

        func flush() throws { try #require(producer.flush(timeout: .seconds(30)) { _, error in #expect(error == nil) }) }
    }

    private func withTopics(_ body: (_ bootstrap: String, _ server: KafkaServer, _ prefix: String) async throws -> Void) async throws {
        try await withKafka { bootstrap, server in
            let prefix = uniqueName("directory") + "."
            let topics = [AnyTopic(Topics.registryDevices), AnyTopic(Topics.registryTypes)].map { $0.prefixed(prefix) }
            try await KafkaAdmin(kafkaConfiguration(bootstrap)).createTopics(topics, replicationFactor: 1)
            try await body(bootstrap, server, prefix)
        }
    }

    @Test(.requiresRealKafka) func knowsEverythingThenFollows() async throws {
        try await withTopics { bootstrap, _, prefix in
            let registry = try Registry(bootstrap, prefix: prefix)
            for number in 0..<5_000 { try registry.put("d-\(number)", 1) }
            try registry.put("d-1", 2, .suspended)
            try registry.producer.enqueueTombstone(of: DeviceID("d-2"), to: registry.devices, tag: 0)
            try registry.flush()
            let following = Following(bootstrap, prefix: prefix)
            try await eventually("the directory is current") { following.directory.isCurrent }
            #expect(following.directory.count == 4_999)
            #expect(following.lifecycle("d-0") == .active)
            #expect(following.lifecycle("d-1") == .suspended)
            #expect(following.lifecycle("d-2") == nil)

            try registry.put("d-0", 2, .retired)
            try registry.put("new", 1, .provisioned)
            var buffer = WireBuffer()
            let type = DeviceTypeRecord(
                name: "pump", revision: 1, updated: .unixEpoch, heartbeatSeconds: 90, rangePolicy: .reject,
                metrics: [.init(name: try MetricName("t"), maximum: 5)])
            try registry.producer.enqueue(type, to: registry.types, buffer: &buffer, tag: 0)
            try registry.flush()
            try await eventually("what comes later is known") {
                following.lifecycle("d-0") == .retired && following.lifecycle("new") == .provisioned
                    && Array("new".utf8).withUnsafeBytes { following.directory.standing(of: $0)?.ranges?.policy } == .reject
            }
            try await following.stop()
        }
    }

    @Test(.requiresRealKafka) func waitsForTheTopics() async throws {
        try await withKafka { bootstrap, _ in
            let prefix = uniqueName("later") + "."
            let following = Following(bootstrap, prefix: prefix)
            try await eventually("the missing topic is named") {
                following.directory.reasonNotCurrent?.contains("\(prefix)registry.devices") == true
                    && following.directory.reasonNotCurrent?.contains("create the topic") == true
            }
            #expect(!following.directory.isCurrent)
            let topics = [AnyTopic(Topics.registryDevices), AnyTopic(Topics.registryTypes)].map { $0.prefixed(prefix) }
            try await KafkaAdmin(kafkaConfiguration(bootstrap)).createTopics(topics, replicationFactor: 1)
            try await eventually("the directory is current") { following.directory.isCurrent }
            #expect(following.directory.count == 0)
            try await following.stop()
        }
    }
}
