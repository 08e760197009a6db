internal import CRdkafka
internal import Logging
internal import Synchronization

/// What librdkafka hands back to our callbacks (its one opaque slot). Callbacks may come on any of its threads.
class ClientContext: @unchecked Sendable {  // Own state is behind mutexes; ConsumerContext says what it adds.
    let servers: String
    let client: String
    let logger: Logger
    let metrics: ClientMetrics?
    private let state = Mutex(State())

    private struct State {
        var connectionError: KafkaError?
        var fatal: KafkaError?
    }

    init(_ configuration: KafkaConfiguration, logger: Logger, metrics: ClientMetrics?) {
        servers = configuration.bootstrap
        client = configuration.clientID
        var logger = logger
        logger[metadataKey: "client"] = client
        self.logger = logger
        self.metrics = metrics
    }

    /// The last trouble with the network or the brokers; librdkafka goes on trying by itself.
    var connectionError: KafkaError? { state.withLock { $0.connectionError } }
    var fatal: KafkaError? { state.withLock { $0.fatal } }

    func error(
        _ code: rd_kafka_resp_err_t, doing operation: String, detail: String? = nil, isFatal: Bool = false,
        isPossiblyPersisted: Bool = false, file: String = #fileID, line: Int = #line
    ) -> KafkaError {
        KafkaError(
            .init(code), doing: operation, detail: detail, servers: servers, isFatal: isFatal,
            isPossiblyPersisted: isPossiblyPersisted, file: file, line: line)
    }

    func note(connectionError: KafkaError) { state.withLock { $0.connectionError = connectionError } }

    /// The first fatal error is the cause; later ones are its echo.
    func note(fatal: KafkaError) { state.withLock { $0.fatal = $0.fatal ?? fatal } }

    /// What a client's error callback or event says; `client` goes on trying by itself unless it has turned fatal.
    func note(code: rd_kafka_resp_err_t, reason: String?, isFatal: Bool = false, of client: OpaquePointer) {
        if code == RD_KAFKA_RESP_ERR__FATAL || isFatal {
            _ = checkFatal(client)
        } else {
            note(connectionError: error(code, doing: "talk to Kafka", detail: reason))
        }
    }

    /// Why a record was not delivered.
    func failure(of message: UnsafePointer<rd_kafka_message_t>, _ client: OpaquePointer) -> KafkaError {
        let topic = message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? "?"
        let fatal = checkFatal(client)
        if message.pointee.err == RD_KAFKA_RESP_ERR__FATAL, let fatal { return fatal }
        // The record that made the producer fatal carries the cause itself.
        return error(
            message.pointee.err, doing: "deliver to topic \(topic)", isFatal: fatal != nil,
            isPossiblyPersisted: rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
    }

    /// Looks whether `client` has turned fatal; remembers it.
    func checkFatal(_ pointer: OpaquePointer) -> KafkaError? {
        if let known = fatal { return known }
        var text = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(pointer, &text, text.count)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        note(fatal: error(code, doing: "Kafka client \(client) failed for good", detail: string(of: text), isFatal: true))
        return fatal
    }
}

/// Owns an `rd_kafka_t`. Whatever is derived from it (topics, queues) holds a reference to this, so it is destroyed last.
// @unchecked Sendable: rd_kafka_t is thread-safe ("librdkafka is completely thread-safe", INTRODUCTION.md, Threads and callbacks).
final class ClientHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    let context: ClientContext
    private let retained: Unmanaged<ClientContext>

    init(_ type: rd_kafka_type_t, _ configuration: consuming ConfigurationHandle, _ context: ClientContext) throws(KafkaError) {
        self.context = context
        retained = .passRetained(context)
        rd_kafka_conf_set_opaque(configuration.pointer, retained.toOpaque())
        rd_kafka_conf_set_log_cb(configuration.pointer, logCallback)
        let raw = configuration.release()
        var text = [CChar](repeating: 0, count: 512)
        guard let created = rd_kafka_new(type, raw, &text, text.count) else {
            // rd_kafka_new takes the configuration only when it succeeds.
            rd_kafka_conf_destroy(raw)
            retained.release()
            throw context.error(rd_kafka_last_error(), doing: "make Kafka client \(context.client)", detail: string(of: text))
        }
        pointer = created
    }

    deinit {
        // Ends librdkafka's threads, so that no callback can come after the release.
        rd_kafka_destroy(pointer)
        retained.release()
    }
}

/// A queue of events of a client, and the reference that keeps the client alive.
// @unchecked Sendable: queues are thread-safe like their client; the pointer never changes.
final class QueueHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    let client: ClientHandle

    /// The queue on which a producer's delivery reports, errors and statistics arrive.
    init(mainOf client: ClientHandle) {
        self.client = client
        pointer = rd_kafka_queue_get_main(client.pointer)
    }

    /// A queue for the answer of one request.
    init(newOf client: ClientHandle) {
        self.client = client
        pointer = rd_kafka_queue_new(client.pointer)
    }

    deinit { rd_kafka_queue_destroy(pointer) }
}

/// Owns an `rd_kafka_topic_t`: a producer's hot path must not look a topic up by name.
// @unchecked Sendable: topic objects are thread-safe like their client; the pointer never changes.
final class TopicReference: @unchecked Sendable {
    let pointer: OpaquePointer
    let name: String
    private let client: ClientHandle

    init(_ name: String, of client: ClientHandle) throws(KafkaError) {
        guard let created = rd_kafka_topic_new(client.pointer, name, nil) else {
            throw client.context.error(rd_kafka_last_error(), doing: "open topic \(name)")
        }
        pointer = created
        self.name = name
        self.client = client
    }

    deinit { rd_kafka_topic_destroy(pointer) }
}
