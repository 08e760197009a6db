import Domain
import KafkaClient
import Logging
import Metrics
import Wire

/// The two topics, opened by one producer that keeps the order per key. Confined to the publisher's thread.
final class PublishedTopics {
    enum Failure: Error, CustomStringConvertible {
        case notDelivered(Int, reason: String)

        var description: String {
            switch self {
            case .notDelivered(let count, let reason): "\(count) records were not acknowledged by Kafka (\(reason)); they are sent again"
            }
        }
    }

    private let producer: KafkaProducer
    private let deviceTopic: TopicHandle<DeviceRecord>
    private let typeTopic: TopicHandle<DeviceTypeRecord>
    private var buffer = WireBuffer()
    private var failure: KafkaError?

    init(_ config: DeviceRegistryConfig, metrics: MetricsRegistry, logger: Logger) throws(KafkaError) {
        producer = try KafkaProducer(config.kafka, logger: logger, metrics: metrics)
        deviceTopic = try producer.handle(for: Topics.registryDevices.prefixed(config.topicPrefix))
        typeTopic = try producer.handle(for: Topics.registryTypes.prefixed(config.topicPrefix))
    }

    /// Returns when Kafka has every record. A failure may leave some of them in Kafka: they come twice then.
    /// - Returns: of what nothing could be told, and why.
    func send(
        _ batch: PublishedBatch, _ devices: PublishedRows<DeviceRecord>, _ types: PublishedRows<DeviceTypeRecord>, patience: Duration
    ) throws -> [OutboxSubject: any Error] {
        var untold: [OutboxSubject: any Error] = [:]
        failure = nil
        let deadline = ContinuousClock.now + patience
        for item in batch.subjects {
            let key = item.subject.key
            do {
                switch item.subject.kind {
                case .device: try send(item, devices, subject: try DeviceID(key), deviceTopic, deadline)
                case .type: try send(item, types, subject: key, typeTopic, deadline)
                }
            } catch {
                guard Self.isAboutTheRow(error) else { throw error }
                untold[item.subject] = error
            }
        }
        try drain(until: deadline) { producer.outstanding == 0 }
        return untold
    }

    private static func isAboutTheRow(_ error: any Error) -> Bool {
        if let error = error as? KafkaError { return error.code == .invalidArgument }
        return error is StoredRowError || error is DomainError
    }

    private func send<Message: StateMessage>(
        _ item: PublishedBatch.Item, _ rows: PublishedRows<Message>, subject: Message.Subject, _ topic: TopicHandle<Message>,
        _ deadline: ContinuousClock.Instant
    ) throws {
        if let fault = rows.faults[item.subject.key] { throw fault }
        let record = rows.records[item.subject.key]
        if item.wasRemoved || record == nil {
            try enqueue(deadline) { () throws(KafkaError) in try producer.enqueueTombstone(of: subject, to: topic, tag: 0) }
        }
        if let record {
            try enqueue(deadline) { () throws(KafkaError) in try producer.enqueue(record, to: topic, buffer: &buffer, tag: 0) }
        }
    }

    /// A full queue is waited for.
    private func enqueue(_ deadline: ContinuousClock.Instant, _ body: () throws(KafkaError) -> Void) throws {
        while true {
            do throws(KafkaError) {
                return try body()
            } catch {
                guard error.code == .queueFull else { throw error }
                let before = producer.outstanding
                try drain(until: deadline) { producer.outstanding < before }
            }
        }
    }

    private func drain(until deadline: ContinuousClock.Instant, _ isDone: () -> Bool) throws {
        while !isDone() {
            let rest = deadline - ContinuousClock.now
            guard rest > .zero else { throw Failure.notDelivered(producer.outstanding, reason: "no answer in time") }
            try producer.drainDeliveries(timeout: min(rest, .milliseconds(100))) { _, error in failure = failure ?? error }
            if let failure { throw Failure.notDelivered(producer.outstanding + 1, reason: failure.description) }
        }
        if let failure { throw Failure.notDelivered(producer.outstanding + 1, reason: failure.description) }
    }

    func close() { producer.close() }
}
