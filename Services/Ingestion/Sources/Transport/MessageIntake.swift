internal import DeviceJSON
internal import Domain
internal import KafkaClient
internal import MQTTClient
internal import Metrics
internal import Wire

/// Takes the batches of one MQTT connection: each message becomes records, each batch waits until Kafka has all of them.
///
/// Every message ends as telemetry, as an event or as a dead letter; when a record cannot be stored the whole batch is given
/// back to the broker by throwing. Confined to its connection's thread.
final class MessageIntake: MQTTBatchHandler {
    private let table: TopicTable
    private let limits: ReadingLimits
    private let producer: RecordProducer
    private let metrics: IngestionMetrics
    private let status: SourceStatus
    private let now: @Sendable () -> Timestamp
    /// False when it is time to give up waiting for Kafka.
    private let patience: () -> Bool

    private var reader: MessageReader
    private var letters = WireBuffer(capacity: 4_096)
    private var ledger = BatchLedger()
    private var failure: KafkaError?
    private var events: [String: UInt64] = [:]
    private var batchStart = ContinuousClock.now

    init(
        table: TopicTable, limits: ReadingLimits, producer: RecordProducer, metrics: IngestionMetrics, status: SourceStatus,
        now: @escaping @Sendable () -> Timestamp, patience: @escaping () -> Bool
    ) {
        self.table = table
        self.limits = limits
        self.producer = producer
        self.metrics = metrics
        self.status = status
        self.now = now
        self.patience = patience
        reader = MessageReader(limits: limits)
    }

    // MARK: One message

    func received(_ message: MQTTMessage) {
        if ledger.messages == 0 { batchStart = .now }
        let tag = ledger.beginMessage()
        // A batch that will be given back needs no more work.
        guard failure == nil else { return ledger.fail(tag: tag) }
        let time = now()
        do throws(Rejection) {
            try take(message, tag: tag, time: time)
        } catch {
            reject(message, error, tag: tag, time: time)
        }
    }

    @inline(__always)
    private func take(_ message: MQTTMessage, tag: UInt64, time: Timestamp) throws(Rejection) {
        guard let (kind, device) = table.match(message.topic) else { throw .topicUnknown }
        guard DeviceID.isValid(device) else { throw .deviceIDInvalid }
        guard !message.payload.isEmpty else { throw .payloadEmpty }
        switch kind {
        case .telemetry:
            var properties = MessageProperties()
            if message.hasProperties {
                message.forEachUserProperty { properties.note(name: $0, value: $1) }
                guard !properties.invalid else { throw .propertyInvalid }
            }
            let samples = try reader.readTelemetry(
                message.payload, device: device, properties: properties, retained: message.retained, now: time
            ) { send(.telemetry, key: device, value: $0, tag: tag) }
            ledger.settle(tag: tag, as: .produced(samples: samples))
        case .status:
            let event = try reader.readStatus(message.payload, device: device, now: time)
            do { try event.encode(into: &letters) } catch { throw Rejection(error) }
            letters.withUnsafeBytes { send(.events, key: device, value: $0, tag: tag) }
            events[event.kind.label, default: 0] += 1
            ledger.settle(tag: tag, as: .produced(samples: 0))
        }
    }

    private func send(_ destination: RecordProducer.Destination, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64) {
        ledger.recordSent(tag: tag)
        do {
            try producer.send(destination, key: key, value: value, tag: tag, patience: patience) { self.reported($0, $1) }
        } catch {
            failure = failure ?? error
            ledger.recordReported(tag: tag, stored: false)
        }
    }

    private func reject(_ message: MQTTMessage, _ rejection: Rejection, tag: UInt64, time: Timestamp) {
        let topic = String(decoding: message.topic, as: UTF8.self)
        let device = table.match(message.topic).map { String(decoding: $0.device, as: UTF8.self) }
        let letter = DeadLetter(
            payload: message.payload, sourceTopic: topic, identity: device, stage: rejection.stage, reasonCode: rejection.reasonCode,
            text: rejection.text, time: time)
        do { try letter.encode(into: &letters) } catch {
            // Cannot happen: a dead letter cuts what is too long. If it does, the message must not be acknowledged.
            return ledger.fail(tag: tag)
        }
        var key = device ?? topic
        key.withUTF8 { key in
            letters.withUnsafeBytes { send(.deadLetters, key: UnsafeRawBufferPointer(key), value: $0, tag: tag) }
        }
        let reason = Rejection.reasonCodes.firstIndex(of: rejection.reasonCode) ?? 0
        ledger.settle(tag: tag, as: .rejected(reason: reason))
    }

    private func reported(_ tag: UInt64, _ error: KafkaError?) {
        if let error { failure = failure ?? error }
        ledger.recordReported(tag: tag, stored: error == nil)
    }

    // MARK: The batch

    func batchEnded(messages: Int) throws {
        metrics.received.increment(by: UInt64(messages))
        metrics.inFlight.add(Double(messages))
        let time = now()
        status.update {
            $0.received += UInt64(messages)
            $0.lastMessage = time
        }
        let handedOver = ContinuousClock.now
        metrics.readSeconds.observe(handedOver - batchStart)
        waitForReports()
        let end = ContinuousClock.now
        metrics.deliverSeconds.observe(end - handedOver)
        metrics.deliverySeconds.observe(end - batchStart)
        metrics.batchMessages.observe(Double(messages))
        count()
        metrics.inFlight.add(-Double(messages))
        defer {
            ledger.removeAll()
            events.removeAll(keepingCapacity: true)
            failure = nil
        }
        guard ledger.isSafe else { throw BatchNotStored(messages: messages, cause: failure) }
    }

    private func waitForReports() {
        while ledger.outstandingRecords > 0, failure == nil {
            guard patience() else { return }
            do { try producer.drain { self.reported($0, $1) } } catch { failure = failure ?? error }
        }
    }

    private func count() {
        let summary = ledger.summary(reasons: Rejection.reasonCodes.count)
        metrics.produced.increment(by: UInt64(summary.produced))
        metrics.samples.increment(by: UInt64(summary.samples))
        metrics.returned.increment(by: UInt64(summary.returned))
        for (index, count) in summary.rejected.enumerated() where count > 0 {
            metrics.rejected[index].increment(by: UInt64(count))
            metrics.deadLetters[index].increment(by: UInt64(count))
        }
        if ledger.isSafe { for (label, count) in events { metrics.events[label]?.increment(by: count) } }
        status.update {
            $0.produced += UInt64(summary.produced)
            $0.rejected += UInt64(summary.rejectedTotal)
            $0.returned += UInt64(summary.returned)
        }
    }
}

/// Kafka did not take a whole batch: nothing of it may be acknowledged.
struct BatchNotStored: Error, CustomStringConvertible {
    let messages: Int
    let cause: KafkaError?

    var description: String {
        "Kafka did not acknowledge a batch of \(messages) messages (\(cause.map { "\($0)" } ?? "gave up waiting")); "
            + "none was acknowledged to the MQTT broker, which delivers them again"
    }
}
