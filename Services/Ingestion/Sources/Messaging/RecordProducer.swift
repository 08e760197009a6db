internal import FaultPoints
internal import KafkaClient
internal import Logging
internal import Metrics
internal import Wire

/// The three topics of ingestion and a producer for them. Belongs to one MQTT connection's thread.
///
/// A producer that failed is replaced by `close` and `open`; whatever it still held is given up, because the broker delivers it again.
final class RecordProducer {
    enum Destination { case telemetry, events, deadLetters }

    private let configuration: KafkaConfiguration
    private let prefix: String
    private let logger: Logger
    private let metrics: MetricsRegistry
    private var link: Link?

    private struct Link {
        let producer: KafkaBatchProducer
        let telemetry: KafkaTopicHandle
        let events: KafkaTopicHandle
        let deadLetters: KafkaTopicHandle
    }

    init(_ configuration: KafkaConfiguration, prefix: String, logger: Logger, metrics: MetricsRegistry) {
        self.configuration = configuration
        self.prefix = prefix
        self.logger = logger
        self.metrics = metrics
    }

    /// Makes the producer unless there is one.
    func open() throws(KafkaError) {
        guard link == nil else { return }
        let producer = try KafkaBatchProducer(configuration, logger: logger, metrics: metrics)
        link = Link(
            producer: producer,
            telemetry: try producer.handle(forTopic: Topics.telemetry.prefixed(prefix).name),
            events: try producer.handle(forTopic: Topics.deviceEvents.prefixed(prefix).name),
            deadLetters: try producer.handle(forTopic: Topics.deadLetters.prefixed(prefix).name))
    }

    /// Gives the producer up with all that it holds.
    func close() {
        link?.producer.abandon()
        link = nil
    }

    /// Hands a record over. A full queue is emptied by `reported` first, for as long as `patience` says.
    func send(
        _ destination: Destination, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64,
        patience: () -> Bool, reported: (UInt64, KafkaError?) -> Void
    ) throws(KafkaError) {
        try open()
        guard let link else { return }
        let topic =
            switch destination {
            case .telemetry: link.telemetry
            case .events: link.events
            case .deadLetters: link.deadLetters
            }
        while true {
            do throws(KafkaError) {
                return try link.producer.enqueue(to: topic, key: key, value: value, tag: tag)
            } catch {
                #if FAULT_POINTS
                    if SeededBug.dropOnFullQueue.isActive, error.code == .queueFull { return reported(tag, nil) }
                #endif
                guard error.code == .queueFull, patience() else { throw error }
            }
            try link.producer.flush(timeout: .milliseconds(100), reported)
        }
    }

    /// Sends what was handed over and waits up to 100 ms for reports.
    func flush(_ reported: (UInt64, KafkaError?) -> Void) throws(KafkaError) {
        try link?.producer.flush(timeout: .milliseconds(100), reported)
    }

    /// Takes what has arrived meanwhile (errors, statistics), without waiting.
    func serve() throws(KafkaError) { try link?.producer.serve() }
}
