internal import CRdkafka
public import Logging
public import Metrics
internal import Synchronization

/// An idempotent producer: `acks=all`, one copy of each record, order kept per key, bounded memory.
///
/// Two ways to use it, never both on one object: `enqueue` + `drainDeliveries` for the hot path (reports are handled on the caller's own
/// thread), or `send` for occasional messages. All methods may be called from any thread.
///
/// A producer can turn *fatal* (librdkafka could not keep order and uniqueness, for instance after a disconnect at a bad moment). Then
/// every call throws an error with `isFatal`: close it, make another, acknowledge nothing that was not reported as delivered.
public final class KafkaProducer: Sendable {
    let client: ClientHandle
    let events: QueueHandle
    private let state = Mutex(State())
    private let unreported = OutstandingCount()

    private struct State: Sendable {
        var topics: [String: TopicReference] = [:]
        var use: Use = .undecided
        var isClosed = false
    }

    private enum Use: Sendable {
        case undecided
        case drained
        case sending(DeliveryWaiter)
    }

    /// - Parameters:
    ///   - logger: takes librdkafka's log lines.
    ///   - metrics: gets queue length, brokers and round trip, labelled with the client id.
    public init(
        _ configuration: KafkaConfiguration, logger: Logger = Logger(label: "kafka"), metrics: MetricsRegistry? = nil
    ) throws(KafkaError) {
        let context = ClientContext(
            configuration, logger: logger, metrics: metrics.map { ClientMetrics($0, client: configuration.clientID) })
        let handle = try configuration.handle(configuration.producerProperties)
        rd_kafka_conf_set_events(handle.pointer, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS)
        client = try ClientHandle(RD_KAFKA_PRODUCER, handle, context)
        events = QueueHandle(mainOf: client)
    }

    deinit { close() }

    /// Records handed over whose delivery has not been reported yet.
    public var outstanding: Int { unreported.count.load(ordering: .acquiring) }

    /// The last trouble with the network or the brokers. librdkafka goes on trying; this is for display and readiness.
    public var connectionError: KafkaError? { client.context.connectionError }

    /// The reason why this producer is of no more use; nil while it is sound.
    public var fatalError: KafkaError? { client.context.checkFatal(client.pointer) }

    // MARK: Hot path

    /// Opens a topic once, so that `enqueue` does not look it up by name.
    public func handle(forTopic name: String) throws(KafkaError) -> KafkaTopicHandle { KafkaTopicHandle(try topic(name)) }

    /// Hands a copy of the record over and returns at once. Its fate comes with `tag` out of `drainDeliveries`.
    /// - Throws: `.queueFull` (retriable): stop the intake and drain. Fatal: see the type. Others (too large, …): this record cannot go.
    public func enqueue(
        to topic: KafkaTopicHandle, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64
    ) throws(KafkaError) {
        // Counted before: a report may be handed out on another thread before rd_kafka_produce returns.
        unreported.count.add(1, ordering: .relaxed)
        let result = rd_kafka_produce(
            topic.reference.pointer, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, UnsafeMutableRawPointer(mutating: value.baseAddress),
            value.count, key.baseAddress, key.count, UnsafeMutableRawPointer(bitPattern: UInt(tag)))
        guard result != 0 else { return }
        let code = rd_kafka_last_error()
        unreported.count.subtract(1, ordering: .releasing)
        if code == RD_KAFKA_RESP_ERR__FATAL, let fatal = fatalError { throw fatal }
        throw client.context.error(code, doing: "produce to topic \(topic.name)")
    }

    /// Hands over a record with a key and no value: in a compacted topic it takes away what was said of the key. The rest as `enqueue`.
    public func enqueueTombstone(to topic: KafkaTopicHandle, key: UnsafeRawBufferPointer, tag: UInt64) throws(KafkaError) {
        // librdkafka takes a null pointer for "no value"; an empty value has an address.
        try enqueue(to: topic, key: key, value: UnsafeRawBufferPointer(start: nil, count: 0), tag: tag)
    }

    /// As `enqueue(to:key:value:tag:)`, by name.
    public func enqueue(topic: String, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64) throws(KafkaError) {
        try enqueue(to: handle(forTopic: topic), key: key, value: value, tag: tag)
    }

    /// Waits up to `timeout` for delivery reports and hands every ready one to `body`, on the calling thread. It may return early with 0.
    /// - Parameter body: `error` is nil when the record is stored by all in-sync replicas.
    /// - Returns: how many reports were handed out.
    /// - Throws: when the producer has turned fatal, after the ready reports have been handed out.
    @discardableResult
    public func drainDeliveries(timeout: Duration, _ body: (_ tag: UInt64, _ error: KafkaError?) -> Void) throws(KafkaError) -> Int {
        claimForDraining()
        let count = serveEvents(timeoutMilliseconds: timeout.wholeMilliseconds, body)
        if let fatalError { throw fatalError }
        return count
    }

    /// Sends out what is queued and hands out its reports, until nothing is outstanding or `timeout` is over.
    /// - Returns: whether nothing is outstanding any more.
    public func flush(timeout: Duration, _ body: (_ tag: UInt64, _ error: KafkaError?) -> Void = { _, _ in }) -> Bool {
        let isDrainedElsewhere = state.withLock {
            if case .sending = $0.use { return true }
            return false
        }
        guard !isDrainedElsewhere else {
            return rd_kafka_flush(client.pointer, timeout.wholeMilliseconds) == RD_KAFKA_RESP_ERR_NO_ERROR
        }
        let deadline = ContinuousClock.now + timeout
        while outstanding > 0 {
            let rest = deadline - ContinuousClock.now
            guard rest > .zero else { return false }
            serveEvents(timeoutMilliseconds: min(rest.wholeMilliseconds, 100), body)
        }
        return true
    }

    /// Drops what is queued or in flight: each such record is reported as purged, and may be in Kafka all the same.
    public func purge() { rd_kafka_purge(client.pointer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT) }

    /// Ends the producer without waiting for the network: `flush` first if what is queued matters. Later calls throw `.closed`.
    public func close() {
        let waiter: DeliveryWaiter? = state.withLock {
            $0.isClosed = true
            $0.topics.removeAll()
            if case .sending(let waiter) = $0.use { return waiter }
            return nil
        }
        waiter?.stop(client.context.error(RD_KAFKA_RESP_ERR__DESTROY, doing: "send with \(client.context.client)", detail: "closed"))
    }

    // MARK: Inside

    private func topic(_ name: String) throws(KafkaError) -> TopicReference {
        let client = client
        let result: Result<TopicReference, KafkaError> = state.withLock { state in
            if let known = state.topics[name] { return .success(known) }
            guard !state.isClosed else {
                return .failure(client.context.error(RD_KAFKA_RESP_ERR__DESTROY, doing: "open topic \(name)", detail: "producer is closed"))
            }
            do throws(KafkaError) {
                let made = try TopicReference(name, of: client)
                state.topics[name] = made
                return .success(made)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func claimForDraining() {
        state.withLock {
            if case .sending = $0.use {
                preconditionFailure("drainDeliveries on a KafkaProducer that is used with send: its reports would go to the wrong reader")
            }
            $0.use = .drained
        }
    }

    /// The reader of the reports when the producer is used with `send`; made at the first call.
    func waiter() throws(KafkaError) -> DeliveryWaiter {
        let result: Result<DeliveryWaiter, KafkaError> = state.withLock { state in
            guard !state.isClosed else {
                return .failure(client.context.error(RD_KAFKA_RESP_ERR__DESTROY, doing: "send", detail: "producer is closed"))
            }
            switch state.use {
            case .sending(let waiter): return .success(waiter)
            case .drained:
                preconditionFailure("send on a KafkaProducer that is used with drainDeliveries: its reports would go to the wrong reader")
            case .undecided:
                let waiter = DeliveryWaiter(events, unreported)
                state.use = .sending(waiter)
                return .success(waiter)
            }
        }
        return try result.get()
    }

    @discardableResult
    private func serveEvents(timeoutMilliseconds: Int32, _ body: (UInt64, KafkaError?) -> Void) -> Int {
        var total = 0
        var wait = timeoutMilliseconds
        // Bounded, so that a busy producer on another thread cannot hold the caller here for ever.
        while total < 100_000, let event = EventHandle(polling: events, timeoutMilliseconds: wait) {
            let count = event.forEachDelivery(body)
            unreported.count.subtract(count, ordering: .releasing)
            total += count
            wait = 0
        }
        return total
    }
}

/// How many records have been handed over whose report has not been handed out; shared with the reader of the reports.
final class OutstandingCount: Sendable {
    let count = Atomic<Int>(0)
}

/// A topic opened by one producer; use it with that producer only.
public struct KafkaTopicHandle: Sendable {
    let reference: TopicReference
    init(_ reference: TopicReference) { self.reference = reference }
    public var name: String { reference.name }
}
