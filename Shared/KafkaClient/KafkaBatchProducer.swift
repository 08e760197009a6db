internal import CRdkafka
public import Logging
public import Metrics

/// An idempotent producer for one thread that works in batches: `enqueue` each record, then `flush` until all are reported.
///
/// Nothing leaves by a timer while a batch is being handed over (`linger` is only the longest it may be put off): `flush` sends each
/// partition's records in as few requests as they fit in, at once, and hands out the reports on the caller's own thread. For what
/// *fatal* means see `KafkaProducer`.
public final class KafkaBatchProducer {
    private let client: ClientHandle
    private let reports: ReportContext
    private var topics: [String: TopicReference] = [:]
    /// Records handed over whose delivery has not been reported yet.
    public private(set) var outstanding = 0

    /// - Parameters:
    ///   - logger: takes librdkafka's log lines.
    ///   - metrics: gets queue length, brokers and round trip, labelled with the client id.
    public init(
        _ configuration: KafkaConfiguration, logger: Logger = Logger(label: "kafka"), metrics: MetricsRegistry? = nil
    ) throws(KafkaError) {
        reports = ReportContext(
            configuration, logger: logger, metrics: metrics.map { ClientMetrics($0, client: configuration.clientID) })
        let handle = try configuration.handle(configuration.producerProperties)
        reports.install(in: handle)
        client = try ClientHandle(RD_KAFKA_PRODUCER, handle, reports)
    }

    /// The reason why this producer is of no more use; nil while it is sound.
    public var fatalError: KafkaError? { reports.checkFatal(client.pointer) }

    /// Opens a topic once, so that `enqueue` does not look it up by name.
    public func handle(forTopic name: String) throws(KafkaError) -> KafkaTopicHandle {
        if let known = topics[name] { return KafkaTopicHandle(known) }
        let made = try TopicReference(name, of: client)
        topics[name] = made
        return KafkaTopicHandle(made)
    }

    /// Hands a copy of the record over and returns at once. Its fate comes with `tag` out of `flush`.
    /// - Throws: `.queueFull` (retriable): flush, then try again. Fatal: see the type. Others (too large, …): this record cannot go.
    public func enqueue(
        to topic: KafkaTopicHandle, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64
    ) throws(KafkaError) {
        let result = rd_kafka_produce(
            topic.reference.pointer, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, UnsafeMutableRawPointer(mutating: value.baseAddress),
            value.count, key.baseAddress, key.count, UnsafeMutableRawPointer(bitPattern: UInt(tag)))
        guard result != 0 else { return outstanding += 1 }
        let code = rd_kafka_last_error()
        if code == RD_KAFKA_RESP_ERR__FATAL, let fatal = fatalError { throw fatal }
        throw reports.error(code, doing: "produce to topic \(topic.name)")
    }

    /// Sends what was handed over without waiting for company, and hands out reports until none is outstanding or `timeout` is over.
    /// - Parameter body: `error` is nil when the record is stored by all in-sync replicas.
    /// - Returns: whether nothing is outstanding any more.
    /// - Throws: when the producer has turned fatal, after the ready reports have been handed out.
    @discardableResult
    public func flush(timeout: Duration, _ body: (_ tag: UInt64, _ error: KafkaError?) -> Void) throws(KafkaError) -> Bool {
        // While it runs librdkafka takes linger.ms for zero; it calls `reported` on this thread.
        rd_kafka_flush(client.pointer, timeout.wholeMilliseconds)
        handOut(body)
        if let fatalError { throw fatalError }
        return outstanding == 0
    }

    /// Takes what has arrived meanwhile (errors, statistics), without waiting and without sending.
    public func serve() throws(KafkaError) {
        rd_kafka_poll(client.pointer, 0)
        if let fatalError { throw fatalError }
    }

    /// Drops what is queued or in flight: it may be in Kafka all the same. Nothing of it is reported any more.
    public func abandon() {
        rd_kafka_purge(client.pointer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        topics.removeAll()
    }

    private func handOut(_ body: (UInt64, KafkaError?) -> Void) {
        outstanding -= reports.stored.count + reports.failed.count
        for tag in reports.stored { body(tag, nil) }
        for (tag, error) in reports.failed { body(tag, error) }
        reports.stored.removeAll(keepingCapacity: true)
        reports.failed.removeAll()
    }
}

/// Where the callbacks put what librdkafka reports, until `flush` hands it out.
// @unchecked Sendable: its own fields are touched only inside rd_kafka_poll and rd_kafka_flush and by KafkaBatchProducer, which its
// owner confines to one thread; callbacks of other threads (logging) touch only what ClientContext guards.
private final class ReportContext: ClientContext, @unchecked Sendable {
    var stored: [UInt64] = []
    var failed: [(UInt64, KafkaError)] = []

    func install(in configuration: borrowing ConfigurationHandle) {
        rd_kafka_conf_set_dr_msg_cb(configuration.pointer, reported)
        rd_kafka_conf_set_error_cb(configuration.pointer, failedToTalk)
        rd_kafka_conf_set_stats_cb(configuration.pointer, counted)
    }

    func note(_ message: UnsafePointer<rd_kafka_message_t>, _ client: OpaquePointer) {
        let tag = UInt64(UInt(bitPattern: message.pointee._private))
        guard message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR else { return stored.append(tag) }
        failed.append((tag, failure(of: message, client)))
    }
}

private let reported: @convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void = {
    client, message, opaque in
    guard let client, let message, let opaque else { return }
    Unmanaged<ReportContext>.fromOpaque(opaque).takeUnretainedValue().note(message, client)
}

private let failedToTalk: @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void = {
    client, code, reason, opaque in
    guard let client, let opaque else { return }
    let context = Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue()
    context.note(code: rd_kafka_resp_err_t(rawValue: code), reason: reason.map { String(cString: $0) }, of: client)
}

private let counted: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutableRawPointer?) -> Int32 = {
    _, text, length, opaque in
    guard let text, let opaque else { return 0 }
    let context = Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue()
    if let metrics = context.metrics, let statistics = KafkaStatistics(json: UnsafeRawBufferPointer(start: text, count: length)) {
        metrics.update(statistics)
    }
    return 0  // librdkafka frees the text
}
