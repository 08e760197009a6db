internal import CRdkafka
internal import Dispatch
public import Logging

/// Topics and reachability. Every call waits on a thread of its own, never on Swift's cooperative pool.
public final class KafkaAdmin: Sendable {
    /// A topic to be made.
    public struct NewTopic: Sendable, Hashable {
        public var name: String
        public var partitions: Int
        public var replicationFactor: Int
        /// Topic properties by Kafka's names: `retention.ms`, `cleanup.policy`, …
        public var configuration: [String: String]

        public init(name: String, partitions: Int, replicationFactor: Int = 1, configuration: [String: String] = [:]) {
            self.name = name
            self.partitions = partitions
            self.replicationFactor = replicationFactor
            self.configuration = configuration
        }
    }

    /// A topic there is.
    public struct TopicDescription: Sendable, Hashable {
        public var name: String
        public var partitions: Int
        public var replicationFactor: Int
    }

    private let client: ClientHandle
    private let queue = DispatchQueue(label: "kafka-admin")

    public init(_ configuration: KafkaConfiguration, logger: Logger = Logger(label: "kafka")) throws(KafkaError) {
        let context = ClientContext(configuration, logger: logger, metrics: nil)
        let handle = try configuration.handle(["statistics.interval.ms": "0"])
        // A producer is librdkafka's lightest client; as such it never sends a record here.
        client = try ClientHandle(RD_KAFKA_PRODUCER, handle, context)
    }

    /// Makes the topics that are missing. One that exists already is left as it is, also when its partitions differ.
    /// - Returns: the names that were made.
    /// - Throws: the first topic's error, after all have been tried; `.unsupportedFeature` by brokers without admin API.
    @discardableResult
    public func createTopics(_ topics: [NewTopic], timeout: Duration = .seconds(30)) async throws(KafkaError) -> [String] {
        try await onOwnThread { [self] () throws(KafkaError) in try create(topics, timeout) }
    }

    /// All topics, by name, without Kafka's internal ones.
    public func listTopics(timeout: Duration = .seconds(10)) async throws(KafkaError) -> [TopicDescription] {
        try await onOwnThread { [self] () throws(KafkaError) in
            try metadata(timeout).topics.filter { !$0.name.hasPrefix("__") }.sorted { $0.name < $1.name }
        }
    }

    /// Whether a broker answers within `timeout`.
    public func isReachable(timeout: Duration = .seconds(2)) async -> Bool {
        (try? await onOwnThread { [self] () throws(KafkaError) in _ = try metadata(timeout, allTopics: false) }) != nil
    }

    // MARK: Inside

    private func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () throws(KafkaError) -> R) async throws(KafkaError) -> R {
        let result: Result<R, KafkaError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(KafkaError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    private struct Metadata {
        var topics: [TopicDescription] = []
        var brokers: Set<Int32> = []
    }

    private func metadata(_ timeout: Duration, allTopics: Bool = true) throws(KafkaError) -> Metadata {
        var answer: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client.pointer, allTopics ? 1 : 0, nil, &answer, max(1, timeout.wholeMilliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { throw client.context.error(code, doing: "ask Kafka for its topics") }
        defer { rd_kafka_metadata_destroy(answer) }
        var metadata = Metadata()
        for index in 0..<Int(answer.pointee.broker_cnt) { metadata.brokers.insert(answer.pointee.brokers[index].id) }
        for index in 0..<Int(answer.pointee.topic_cnt) {
            let topic = answer.pointee.topics[index]
            let replicas = topic.partition_cnt > 0 ? Int(topic.partitions[0].replica_cnt) : 0
            metadata.topics.append(
                TopicDescription(name: String(cString: topic.topic), partitions: Int(topic.partition_cnt), replicationFactor: replicas))
        }
        return metadata
    }

    /// librdkafka would wait for a controller until the time is over, and then speak of time only. The mock cluster names one that is none
    /// of its brokers.
    private func requireController(_ timeout: Duration, for names: String) throws(KafkaError) {
        let brokers = try metadata(timeout, allTopics: false).brokers
        guard !brokers.contains(rd_kafka_controllerid(client.pointer, min(2000, timeout.wholeMilliseconds))) else { return }
        throw client.context.error(
            RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, doing: "create topics \(names)", detail: "the broker names no controller")
    }

    private func create(_ topics: [NewTopic], _ timeout: Duration) throws(KafkaError) -> [String] {
        guard !topics.isEmpty else { return [] }
        let request = try TopicRequest(topics, client.context)
        try requireController(timeout, for: topics.map(\.name).joined(separator: ", "))
        let answers = QueueHandle(newOf: client)
        let options = rd_kafka_AdminOptions_new(client.pointer, RD_KAFKA_ADMIN_OP_CREATETOPICS)
        defer { rd_kafka_AdminOptions_destroy(options) }
        let milliseconds = max(1, timeout.wholeMilliseconds)
        var text = [CChar](repeating: 0, count: 512)
        for code in [
            rd_kafka_AdminOptions_set_request_timeout(options, milliseconds, &text, text.count),
            rd_kafka_AdminOptions_set_operation_timeout(options, milliseconds, &text, text.count),
        ] where code != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw client.context.error(code, doing: "create topics", detail: string(of: text))
        }
        request.withPointers { rd_kafka_CreateTopics(client.pointer, $0, $1, options, answers.pointer) }
        // librdkafka always answers by itself once the request's time is over.
        guard let event = rd_kafka_queue_poll(answers.pointer, -1) else {
            throw client.context.error(RD_KAFKA_RESP_ERR__TIMED_OUT, doing: "create topics")
        }
        defer { rd_kafka_event_destroy(event) }
        return try outcome(of: event, topics)
    }

    private func outcome(of event: OpaquePointer, _ topics: [NewTopic]) throws(KafkaError) -> [String] {
        let names = topics.map(\.name).joined(separator: ", ")
        let failure = rd_kafka_event_error(event)
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let detail = rd_kafka_event_error_string(event).map { String(cString: $0) }
            throw client.context.error(failure, doing: "create topics \(names)", detail: detail)
        }
        var count = 0
        guard let result = rd_kafka_event_CreateTopics_result(event), let answers = rd_kafka_CreateTopics_result_topics(result, &count)
        else { throw client.context.error(RD_KAFKA_RESP_ERR__BAD_MSG, doing: "create topics \(names)") }
        var made: [String] = []
        var first: KafkaError?
        for index in 0..<count {
            guard let answer = answers[index] else { continue }
            let name = String(cString: rd_kafka_topic_result_name(answer))
            let code = rd_kafka_topic_result_error(answer)
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                made.append(name)
            } else if code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS {
                let detail = rd_kafka_topic_result_error_string(answer).map { String(cString: $0) }
                first = first ?? client.context.error(code, doing: "create topic \(name)", detail: detail)
            }
        }
        if let first { throw first }
        return made
    }
}

/// Owns the request objects of a creation of topics.
private struct TopicRequest: ~Copyable {
    private let pointers: [OpaquePointer?]

    init(_ topics: [KafkaAdmin.NewTopic], _ context: ClientContext) throws(KafkaError) {
        var made: [OpaquePointer?] = []
        for topic in topics {
            do throws(KafkaError) {
                made.append(try Self.make(topic, context))
            } catch {
                for pointer in made { rd_kafka_NewTopic_destroy(pointer) }
                throw error
            }
        }
        pointers = made
    }

    deinit { for pointer in pointers { rd_kafka_NewTopic_destroy(pointer) } }

    func withPointers(_ body: (UnsafeMutablePointer<OpaquePointer?>?, Int) -> Void) {
        var copy = pointers
        copy.withUnsafeMutableBufferPointer { body($0.baseAddress, $0.count) }
    }

    private static func make(_ topic: KafkaAdmin.NewTopic, _ context: ClientContext) throws(KafkaError) -> OpaquePointer {
        var text = [CChar](repeating: 0, count: 512)
        guard topic.partitions > 0, topic.replicationFactor > 0,
            let pointer = rd_kafka_NewTopic_new(
                topic.name, Int32(clamping: topic.partitions), Int32(clamping: topic.replicationFactor), &text, text.count)
        else {
            let counts = "\(topic.partitions) partitions, \(topic.replicationFactor) replicas: both are 1 or more"
            let detail = string(of: text)
            throw context.error(
                RD_KAFKA_RESP_ERR__INVALID_ARG, doing: "create topic \(topic.name)", detail: detail.isEmpty ? counts : detail)
        }
        for (key, value) in topic.configuration.sorted(by: { $0.key < $1.key }) {
            let code = rd_kafka_NewTopic_set_config(pointer, key, value)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                rd_kafka_NewTopic_destroy(pointer)
                throw context.error(code, doing: "create topic \(topic.name): property \(key)")
            }
        }
        return pointer
    }
}
