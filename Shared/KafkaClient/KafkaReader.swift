internal import CRdkafka
public import Logging

/// Reads all partitions of topics without joining a group and without committing anything: for tools that look and go, and for services
/// that keep what a topic holds in memory.
/// Confined to one thread: not `Sendable`, blocking.
public final class KafkaReader {
    /// Where to begin in each partition.
    public enum Start: Hashable, Sendable {
        case beginning
        case end
        /// The same offset in every partition, moved into the range that the log has.
        case offset(Int64)
        /// The last so many records of each partition.
        case last(Int64)
    }

    /// How far a partition has been read.
    private struct Place {
        let partition: TopicPartition
        /// librdkafka's topic, known from the first record on.
        var topic: OpaquePointer?
        let end: Int64
        var next: Int64
    }

    private let client: ClientHandle
    private let context: ConsumerContext
    /// Offset behind the last record of each partition when the reader was made.
    public let ends: [TopicPartition: Int64]
    private var places: [Place] = []
    private var lastPlace = 0
    /// Partitions of which not every record that was there has been handed out.
    private var behind = 0

    /// Asks for a topic's partitions and their offsets, then starts to read. As `init(_:topics:from:timeout:logger:)`.
    public convenience init(
        _ configuration: KafkaConfiguration, topic: String, from start: Start, timeout: Duration = .seconds(10),
        logger: Logger = Logger(label: "kafka")
    ) throws(KafkaError) {
        try self.init(configuration, topics: [topic], from: start, timeout: timeout, logger: logger)
    }

    /// Asks for the topics' partitions and their offsets, then starts to read.
    /// - Parameter timeout: of each question.
    /// - Throws: `.unknownTopicOrPartition` when there is no such topic; retriable errors when no broker answers within `timeout`.
    public init(
        _ configuration: KafkaConfiguration, topics: [String], from start: Start, timeout: Duration = .seconds(10),
        logger: Logger = Logger(label: "kafka")
    ) throws(KafkaError) {
        context = ConsumerContext(configuration, logger: logger, metrics: nil)
        // librdkafka wants a group name for every consumer; without a subscription it is never joined.
        var properties = configuration.consumerProperties(group: "martlet-reader", instance: nil)
        // In a compacted topic the last offset may have no record: the end is where the broker says it is.
        properties["enable.partition.eof"] = "true"
        let handle = try configuration.handle(properties)
        context.install(in: handle)
        client = try ClientHandle(RD_KAFKA_CONSUMER, handle, context)
        rd_kafka_poll_set_consumer(client.pointer)
        for topic in topics {
            for partition in try Self.partitions(of: topic, client, timeout) {
                let (low, high) = try Self.watermarks(partition, client, timeout)
                let next =
                    switch start {
                    case .beginning: low
                    case .end: high
                    case .offset(let offset): min(max(offset, low), high)
                    case .last(let count): max(low, high - max(0, count))
                    }
                places.append(Place(partition: partition, end: high, next: next))
            }
        }
        ends = Dictionary(uniqueKeysWithValues: places.map { ($0.partition, $0.end) })
        behind = places.count { $0.next < $0.end }
        try context.assign(client.pointer, Dictionary(uniqueKeysWithValues: places.map { ($0.partition, $0.next) }))
    }

    deinit { rd_kafka_consumer_close(client.pointer) }

    /// The last trouble with the network or the brokers; librdkafka goes on trying.
    public var connectionError: KafkaError? { context.connectionError }

    /// Whether every record that was there when the reader was made has been handed out.
    public var hasReachedEnd: Bool { behind == 0 }

    /// Waits up to `timeout` for the next record and hands it to `body`.
    /// - Returns: false when none came.
    /// - Throws: what `body` threw, or `KafkaError` when the log can no longer be read on from here.
    public func poll(timeout: Duration, _ body: (borrowing KafkaRecord) throws -> Void) throws -> Bool {
        guard let message = rd_kafka_consumer_poll(client.pointer, timeout.wholeMilliseconds) else {
            if let error = context.pendingError ?? context.fatal { throw error }
            return false
        }
        return try take(KafkaRecord(owning: message), body)
    }

    /// Hands up to `max` records to `body`: those that are there; when there is none, waits up to `timeout` for one.
    /// - Returns: how many.
    /// - Throws: as `poll(timeout:_:)`.
    public func poll(max: Int, timeout: Duration, _ body: (borrowing KafkaRecord) throws -> Void) throws -> Int {
        var count = 0
        while count < max, let message = rd_kafka_consumer_poll(client.pointer, 0) {
            if try take(KafkaRecord(owning: message), body) { count += 1 }
        }
        if count == 0, max > 0, try poll(timeout: timeout, body) { count = 1 }
        return count
    }

    /// - Returns: whether it was a record.
    private func take(_ record: consuming KafkaRecord, _ body: (borrowing KafkaRecord) throws -> Void) throws -> Bool {
        switch record.code {
        case RD_KAFKA_RESP_ERR_NO_ERROR: break
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            note(record, next: record.offset)
            return false
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__TIMED_OUT:
            context.note(connectionError: context.error(record.code, doing: "talk to Kafka", detail: record.errorText))
            return false
        default:
            let subject = record.hasTopic ? "read \(record.topicPartition) at offset \(record.offset)" : "read"
            throw context.error(record.code, doing: subject, detail: record.errorText)
        }
        note(record, next: record.offset + 1)
        try body(record)
        return true
    }

    private func note(_ record: borrowing KafkaRecord, next: Int64) {
        // Records come in runs of one partition: nearly always it is the same place as before.
        if !record.isAt(places[lastPlace].topic, places[lastPlace].partition.partition) { lastPlace = place(of: record) }
        let before = places[lastPlace].next
        places[lastPlace].next = next
        if before < places[lastPlace].end, next >= places[lastPlace].end { behind -= 1 }
    }

    private func place(of record: borrowing KafkaRecord) -> Int {
        for index in places.indices where record.isAt(places[index].topic, places[index].partition.partition) { return index }
        let partition = record.topicPartition
        // Every record belongs to a partition that was assigned.
        let index = places.firstIndex { $0.partition == partition } ?? lastPlace
        places[index].topic = record.topicReference
        return index
    }

    private static func partitions(
        of topic: String, _ client: ClientHandle, _ timeout: Duration
    ) throws(KafkaError) -> [TopicPartition] {
        let reference = try TopicReference(topic, of: client)
        var answer: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client.pointer, 0, reference.pointer, &answer, max(1, timeout.wholeMilliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else {
            throw client.context.error(code, doing: "ask Kafka for topic \(topic)")
        }
        defer { rd_kafka_metadata_destroy(answer) }
        guard answer.pointee.topic_cnt == 1 else {
            throw client.context.error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, doing: "read topic \(topic)")
        }
        let found = answer.pointee.topics[0]
        guard found.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw client.context.error(found.err, doing: "read topic \(topic)") }
        return (0..<Int(found.partition_cnt)).map { TopicPartition(topic: topic, partition: found.partitions[$0].id) }
    }

    private static func watermarks(
        _ partition: TopicPartition, _ client: ClientHandle, _ timeout: Duration
    ) throws(KafkaError) -> (low: Int64, high: Int64) {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = rd_kafka_query_watermark_offsets(
            client.pointer, partition.topic, partition.partition, &low, &high, max(1, timeout.wholeMilliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw client.context.error(code, doing: "ask for the offsets of \(partition)") }
        return (low, high)
    }
}
