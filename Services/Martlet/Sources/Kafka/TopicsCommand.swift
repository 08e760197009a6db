import Dispatch
import JSON
import KafkaClient
import Synchronization
import Wire

/// `martlet topics`
enum TopicsCommand {
    static let replication = Option<Int>("replication", "N", default: 1, in: 1...32, help: "Copies of each partition; 3 in production.")
    static let prefix = Option<String>(
        "prefix", "TEXT", environment: "MARTLET_KAFKA_TOPIC_PREFIX",
        help: "Put before every topic name, so that installations share a cluster.")
    static let json = Flag("json", help: "Print one JSON object per topic.")

    static let command = Command(
        name: "topics", summary: "create or list the Kafka topics of the platform",
        subcommands: [
            Command(
                name: "create", summary: "create the topics of the platform that are missing",
                discussion: "Safe to repeat: a topic that is there is left as it is, also when its partitions differ (that is told).",
                examples: [
                    .init("martlet topics create", "on the local Kafka"),
                    .init("martlet topics create --kafka kafka-1:9092,kafka-2:9092 --replication 3", "on a cluster"),
                ],
                options: [ServerOptions.kafka.declaration, prefix.declaration, replication.declaration], run: create),
            Command(
                name: "list", summary: "list the topics of the platform and whether they are there",
                examples: [
                    .init("martlet topics list", "name, partitions, replicas"),
                    .init("martlet topics list --json | jq .name", "for scripts"),
                ],
                options: [ServerOptions.kafka.declaration, prefix.declaration, json.declaration], run: list),
        ])

    private static func wanted(_ arguments: Arguments) throws -> [AnyTopic] {
        let prefix = try arguments.optional(prefix) ?? ""
        return Topics.all.map { $0.prefixed(prefix) }
    }

    private static func admin(_ arguments: Arguments) throws -> KafkaAdmin {
        try KafkaAdmin(KafkaConfiguration(bootstrap: try arguments.value(ServerOptions.kafka), clientID: "martlet-topics"))
    }

    static func create(_ arguments: Arguments) throws -> ExitCode {
        let admin = try admin(arguments)
        let replication = try arguments.value(replication)
        let topics = try wanted(arguments)
        let found = try wait { () throws(KafkaError) in try await admin.listTopics() }
        let missing = topics.filter { topic in !found.contains { $0.name == topic.name } }
        let made = try wait { () throws(KafkaError) in
            try await admin.createTopics(
                missing.map {
                    KafkaAdmin.NewTopic(
                        name: $0.name, partitions: $0.partitions, replicationFactor: replication,
                        configuration: $0.configuration(replicationFactor: replication))
                })
        }
        let output = OutputLines()
        for topic in topics {
            let there = found.first { $0.name == topic.name }
            let state =
                made.contains(topic.name)
                ? "created, \(topic.partitions) partitions, replication \(replication)"
                : there.map {
                    "was there, \($0.partitions) partitions" + ($0.partitions == topic.partitions ? "" : " (expected \(topic.partitions))")
                }
                    ?? "was made by someone else just now"
            _ = try output.write("\(topic.name): \(state)")
        }
        return .success
    }

    static func list(_ arguments: Arguments) throws -> ExitCode {
        let admin = try admin(arguments)
        let found = try wait { () throws(KafkaError) in try await admin.listTopics() }
        let output = OutputLines()
        for topic in try wanted(arguments) {
            let there = found.first { $0.name == topic.name }
            if arguments.has(json) {
                _ = try output.write(
                    JSONValue.object([
                        "name": .string(topic.name), "exists": .bool(there != nil),
                        "partitions": .int(Int64(there?.partitions ?? topic.partitions)),
                        "replication": there.map { .int(Int64($0.replicationFactor)) },
                    ]).text)
            } else {
                _ = try output.write(
                    there.map { "\(topic.name): \($0.partitions) partitions, replication \($0.replicationFactor)" }
                        ?? "\(topic.name): missing; martlet topics create makes it")
            }
        }
        return .success
    }

    /// The tool's main thread has nothing else to do than to wait for this answer; it is no thread of the cooperative pool.
    private static func wait<R: Sendable>(_ body: @escaping @Sendable () async throws(KafkaError) -> R) throws(KafkaError) -> R {
        let answer = Answer<R>()
        Task.detached {
            do throws(KafkaError) { answer.give(.success(try await body())) } catch { answer.give(.failure(error)) }
        }
        return try answer.take().get()
    }

    private final class Answer<R: Sendable>: Sendable {
        private let result = Mutex<Result<R, KafkaError>?>(nil)
        private let done = DispatchSemaphore(value: 0)

        func give(_ answer: Result<R, KafkaError>) {
            result.withLock { $0 = answer }
            done.signal()
        }

        func take() -> Result<R, KafkaError> {
            while true {
                done.wait()
                if let answer = result.withLock({ $0 }) { return answer }
            }
        }
    }
}
