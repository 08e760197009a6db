internal import CRdkafka
public import Logging
public import Metrics

/// A member of a consumer group whose offsets belong to the sink. Confined to one thread: not `Sendable`, blocking.
///
/// Kafka's own committed offsets are never read: each assignment starts where `PartitionOwner` says. A start offset that is not in the
/// log is thrown as an incident and the partition stands still; nothing is ever skipped silently.
public final class KafkaConsumer {
    private let client: ClientHandle
    private let context: ConsumerContext
    private var isClosed = false

    /// Joins `group` and subscribes; partitions come with later calls of `poll`.
    /// - Parameters:
    ///   - groupInstance: a name that survives restarts of this member (static membership: no rebalance when it is back in time).
    ///   - owner: kept until `close`.
    ///   - logger: takes librdkafka's log lines.
    ///   - metrics: gets brokers and round trip, and `iot_consumer_lag_records` per partition; as old as `statisticsInterval` at most.
    public init(
        _ configuration: KafkaConfiguration, group: String, groupInstance: String? = nil, topics: [String], owner: any PartitionOwner,
        logger: Logger = Logger(label: "kafka"), metrics: MetricsRegistry? = nil
    ) throws(KafkaError) {
        let context = ConsumerContext(
            configuration, logger: logger, metrics: metrics.map { ClientMetrics($0, client: configuration.clientID) })
        let handle = try configuration.handle(configuration.consumerProperties(group: group, instance: groupInstance))
        context.install(in: handle)
        self.context = context
        client = try ClientHandle(RD_KAFKA_CONSUMER, handle, context)
        // Errors and statistics come through the same queue as the records: one poll serves all.
        rd_kafka_poll_set_consumer(client.pointer)
        context.owner = owner
        let list = PartitionList(topics.map { TopicPartition(topic: $0, partition: RD_KAFKA_PARTITION_UA) })
        let code = rd_kafka_subscribe(client.pointer, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw context.error(code, doing: "subscribe to \(topics.joined(separator: ", "))")
        }
    }

    deinit { close() }

    /// The partitions being consumed.
    public var assignment: [TopicPartition] { context.starts.keys.sorted() }

    /// The last trouble with the network or the brokers. librdkafka goes on trying; this is for display and readiness.
    public var connectionError: KafkaError? { context.connectionError }

    /// How often an offset could not be committed for display, and the last reason.
    public var commitFailures: (count: Int, last: KafkaError?) { (context.commitFailures, context.lastCommitError) }

    /// Hands up to `max` records to `body`, one at a time, in order per partition.
    ///
    /// Calls of the owner happen in here, between two records. After an error nobody has lost anything but `body`'s own record: it throws
    /// only before the first record of a call, except for errors of `body`; what comes up later is thrown by the next call.
    /// - Parameters:
    ///   - timeout: how long to wait for records, at most.
    ///   - linger: how long to go on collecting after the first record; nil means until `timeout`.
    /// - Returns: the number of records handed out.
    /// - Throws: what the owner or `body` threw (after `body` threw, `restart(at:)` brings its record again), or `KafkaError`. Retriable
    ///   ones: poll again. `.offsetReset` or `.offsetOutOfRange`: an incident, thrown until `restart(at:)` or a rebalance. Fatal: close.
    @discardableResult
    public func poll(
        max: Int, timeout: Duration, linger: Duration? = nil, _ body: (borrowing KafkaRecord) throws -> Void
    ) throws -> Int {
        try throwPending()
        if !context.unplaced.isEmpty { try context.placeUnplaced(client.pointer) }
        var deadline = ContinuousClock.now + timeout
        var count = 0
        while count < max, context.pendingError == nil, context.incidents.isEmpty {
            guard let record = next(until: deadline) else { break }
            guard record.code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                note(record)
                continue
            }
            count += 1
            record.note(in: context)
            if count == 1, let linger { deadline = min(deadline, ContinuousClock.now + linger) }
            try body(record)
            // The clock costs as much as a record: under full load look at it now and then.
            if count & 63 == 0, ContinuousClock.now >= deadline { break }
        }
        if count == 0 { try throwPending() }
        return count
    }

    /// Tells the group how far the sink is, for lag displays only. Never waits; failures are counted, not thrown.
    /// - Parameter next: offset of the next record wanted, per partition.
    public func commitForDisplay(_ next: [TopicPartition: Int64]) {
        guard !isClosed, !next.isEmpty else { return }
        let list = PartitionList(next)
        let code = rd_kafka_commit(client.pointer, list.pointer, 1)
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { context.committed(code) }
    }

    /// Goes back (or on) to the given offsets, for instance after a sink's transaction has failed. Other partitions go on where they are.
    /// - Throws: `.unknownPartition` when a partition is not assigned to this consumer.
    public func restart(at offsets: [TopicPartition: Int64]) throws(KafkaError) {
        if let stranger = offsets.keys.sorted().first(where: { context.starts[$0] == nil }) {
            throw context.error(
                RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, doing: "restart \(stranger)", detail: "not assigned to this consumer")
        }
        var wanted = context.positions()
        let standing = context.incidents.filter { offsets[$0.key] == nil }
        for (partition, offset) in offsets { wanted[partition] = offset }
        try context.assign(client.pointer, wanted)
        context.incidents = standing
    }

    /// The offset of the next record that `poll` will hand out, per assigned partition; −2 stands for the oldest there is.
    public func positions() -> [TopicPartition: Int64] {
        context.positions()
    }

    /// Records in the log that `poll` has not handed out yet, per assigned partition, as of the last answer of its broker. Partitions
    /// of which nothing has been heard yet are left out.
    public func lag() -> [TopicPartition: Int64] {
        context.lag(client.pointer)
    }

    /// An edge of a partition's log.
    public enum LogEdge: Sendable {
        /// The oldest record that is still there; where there is none, the end.
        case oldest
        /// Behind the newest record.
        case end
    }

    /// The edge of each assigned partition, asked of the brokers: what Kafka had acknowledged before the question lies before the end.
    /// - Parameter timeout: of the whole question.
    /// - Throws: when a broker does not answer for one of the partitions.
    public func offsets(of edge: LogEdge, timeout: Duration) throws(KafkaError) -> [TopicPartition: Int64] {
        guard !context.starts.isEmpty else { return [:] }
        // In this question an offset is a time; the edges have the names that they have as offsets.
        let name = Int64(edge == .oldest ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END)
        let list = PartitionList(context.starts.mapValues { _ in name })
        let code = rd_kafka_offsets_for_times(client.pointer, list.pointer, max(1, timeout.wholeMilliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw context.error(code, doing: "ask for the edges of the partitions") }
        var offsets: [TopicPartition: Int64] = [:]
        var failure: (TopicPartition, rd_kafka_resp_err_t)?
        list.visit { partition, offset, code in
            if code == RD_KAFKA_RESP_ERR_NO_ERROR, offset >= 0 { offsets[partition] = offset } else { failure = (partition, code) }
        }
        if let failure { throw context.error(failure.1, doing: "ask for the edges of \(failure.0)") }
        return offsets
    }

    /// Leaves the group (a static member keeps its place until the session ends). The owner is told of the partitions that go.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        rd_kafka_consumer_close(client.pointer)
        context.owner = nil
    }

    // MARK: Inside

    private func throwPending() throws {
        guard !isClosed else { throw context.error(RD_KAFKA_RESP_ERR__DESTROY, doing: "poll", detail: "consumer is closed") }
        if let fatal = context.fatal { throw fatal }
        if let error = context.pendingError {
            context.pendingError = nil
            throw error
        }
        if let incident = context.incidents.min(by: { $0.key < $1.key }) { throw incident.value }
    }

    /// Takes what is there; waits only when nothing is.
    private func next(until deadline: ContinuousClock.Instant) -> KafkaRecord? {
        if let message = rd_kafka_consumer_poll(client.pointer, 0) { return KafkaRecord(owning: message) }
        guard context.pendingError == nil else { return nil }
        let rest = deadline - ContinuousClock.now
        guard rest > .zero, let message = rd_kafka_consumer_poll(client.pointer, rest.wholeMilliseconds) else { return nil }
        return KafkaRecord(owning: message)
    }

    /// Sorts an error that came in a record's place.
    private func note(_ record: borrowing KafkaRecord) {
        let code = record.code
        switch code {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: return
        // The network's and the group's daily life: librdkafka goes on by itself.
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__TIMED_OUT,
            RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
            context.note(connectionError: context.error(code, doing: "talk to Kafka", detail: record.errorText))
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            let partition = record.topicPartition
            context.incidents[partition] = context.error(
                code, doing: "consume \(partition) at offset \(record.offset)", detail: record.errorText)
        default:
            let subject = record.hasTopic ? "consume \(record.topic)" : "consume"
            context.pendingError = context.checkFatal(client.pointer) ?? context.error(code, doing: subject, detail: record.errorText)
        }
    }
}
