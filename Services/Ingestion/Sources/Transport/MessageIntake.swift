internal import DeviceJSON
internal import Domain
internal import FaultPoints
internal import KafkaClient
internal import MQTTClient
internal import Metrics
internal import Wire

/// Takes the batches of one MQTT connection. While a batch is being read its messages are only copied; when it is complete each
/// becomes part of a record, device by device, all records go to Kafka at once, and the batch waits until Kafka has every one.
///
/// Every message ends as telemetry, as an event or as a dead letter, or is dropped, because its device is refused; when a record
/// cannot be stored the whole batch is given back to the broker by throwing. Confined to its connection's thread.
final class MessageIntake: MQTTBatchHandler {
    private let table: TopicTable
    private let gate: DeviceGate
    private let producer: RecordProducer
    private let metrics: IngestionMetrics
    private let status: SourceStatus
    private let now: @Sendable () -> Timestamp
    /// False when it is time to give up waiting for Kafka.
    private let patience: () -> Bool

    private var batch: MessageBatch
    private var reader: MessageReader
    private var letters = WireBuffer(capacity: 4_096)
    private var ledger = BatchLedger()
    private var shared = SharedRecord()
    private var sharedTag: UInt64 = 0
    private var sharedDevice = UnsafeRawBufferPointer(start: nil, count: 0)
    private var failure: KafkaError?
    private var events: [String: UInt64] = [:]
    private var batchStart = ContinuousClock.now

    /// What the gate says of the device whose telemetry is being taken; nil between two devices.
    private var admission: Admission?

    private enum Admission {
        case admitted(MetricRanges?)
        case refused(Rejection)
    }

    init(
        table: TopicTable, limits: ReadingLimits, gate: DeviceGate, producer: RecordProducer, metrics: IngestionMetrics,
        status: SourceStatus,
        now: @escaping @Sendable () -> Timestamp, patience: @escaping () -> Bool
    ) {
        self.table = table
        self.gate = gate
        self.producer = producer
        self.metrics = metrics
        self.status = status
        self.now = now
        self.patience = patience
        batch = MessageBatch(seed: .random(in: 0 ... .max))
        reader = MessageReader(limits: limits)
    }

    func received(_ message: MQTTMessage) {
        if batch.count == 0 { batchStart = .now }
        var match = table.match(message.topic)
        if let device = match?.device, !DeviceID.isValid(device) { match?.device = UnsafeRawBufferPointer(start: nil, count: 0) }
        var properties = MessageProperties()
        if message.hasProperties { message.forEachUserProperty { properties.note(name: $0, value: $1) } }
        batch.append(
            topic: message.topic, payload: message.payload, kind: match?.kind, device: match?.device, properties: properties,
            retained: message.retained, time: now())
    }

    func batchEnded(messages: Int) throws {
        defer { forget() }
        metrics.received.increment(by: UInt64(messages))
        metrics.inFlight.add(Double(messages))
        let time = now()
        status.update {
            $0.received += UInt64(messages)
            $0.lastMessage = time
        }
        let complete = ContinuousClock.now
        makeRecords()
        faultPoint("ingestion.after-produce")
        let handedOver = ContinuousClock.now
        waitForReports()
        faultPoint("ingestion.after-report")
        let end = ContinuousClock.now
        metrics.gatherSeconds.observe(complete - batchStart)
        metrics.readSeconds.observe(handedOver - complete)
        metrics.deliverSeconds.observe(end - handedOver)
        metrics.deliverySeconds.observe(end - complete)
        metrics.batchMessages.observe(Double(messages))
        count(time: time, delivery: end - complete)
        metrics.inFlight.add(-Double(messages))
        #if FAULT_POINTS
            if SeededBug.acknowledgeBeforeReport.isActive { return }
        #endif
        guard ledger.isSafe else { throw BatchNotStored(messages: messages, cause: failure) }
    }

    private func forget() {
        batch.removeAll()
        ledger.removeAll()
        events.removeAll(keepingCapacity: true)
        failure = nil
    }

    // MARK: Records

    private func makeRecords() {
        batch.forEach(take) {
            endShared()
            admission = nil
        }
        reader.finish()
        if reader.outOfRange > 0 { metrics.outOfRange.increment(by: reader.takeOutOfRange()) }
    }

    private func take(_ message: MessageBatch.Message) {
        faultPoint("ingestion.in-batch")
        // A batch that will be given back needs no more work.
        guard failure == nil else { return ledger.abandon() }
        do throws(Rejection) {
            guard let kind = message.kind else { throw .topicUnknown }
            guard !message.device.isEmpty else { throw .deviceIDInvalid }
            // Whether the device may speak comes before what it says.
            switch kind {
            case .telemetry:
                let ranges = try admit(message.device)
                guard !message.payload.isEmpty else { throw .payloadEmpty }
                try takeTelemetry(message, ranges)
            case .status:
                _ = try gate.admit(message.device)
                guard !message.payload.isEmpty else { throw .payloadEmpty }
                try takeStatus(message)
            }
        } catch {
            reject(message, error)
        }
    }

    /// The gate is asked once for the telemetry of a device in this batch.
    @inline(__always)
    private func admit(_ device: UnsafeRawBufferPointer) throws(Rejection) -> MetricRanges? {
        if admission == nil {
            do throws(Rejection) { admission = .admitted(try gate.admit(device)) } catch { admission = .refused(error) }
        }
        switch admission {
        case .admitted(let ranges): return ranges
        case .refused(let rejection): throw rejection
        case nil: return nil
        }
    }

    @inline(__always)
    private func takeTelemetry(_ message: MessageBatch.Message, _ ranges: MetricRanges?) throws(Rejection) {
        switch try reader.read(message, ranges) {
        case .single(let time, let sequence): try takeSingle(message, time, sequence)
        case .records(let count, let samples):
            // What came before it is to stand before it.
            endShared()
            let first = ledger.beginRecord()
            for record in 0..<count {
                let tag = record == 0 ? first : ledger.beginRecord()
                try reader.withRecord(record) { send(.telemetry, key: message.device, value: $0, tag: tag) }
            }
            ledger.settle(as: .produced(samples: samples), from: first, count: count)
        }
    }

    @inline(__always)
    private func takeSingle(_ message: MessageBatch.Message, _ time: Timestamp, _ sequence: StreamSequence?) throws(Rejection) {
        let mayShare = SharedRecord.mayShare(time: time, now: message.time)
        if mayShare, shared.takes(sequence, payloadBytes: message.payload.count) {
            try reader.addToShared()
            shared.add(payloadBytes: message.payload.count)
        } else {
            endShared()
            try reader.beginShared()
            shared.begin(sequence, payloadBytes: message.payload.count)
            sharedTag = ledger.beginRecord()
            sharedDevice = message.device
        }
        ledger.settle(as: .produced(samples: 1), from: sharedTag)
        if !mayShare { endShared() }
    }

    private func endShared() {
        guard shared.count > 0 else { return }
        defer { shared.end() }
        do {
            try reader.withShared(sequence: shared.sequence) { send(.telemetry, key: sharedDevice, value: $0, tag: sharedTag) }
        } catch {
            // Cannot happen: each sample was found good, and together they are far below every limit. If it does, nothing of it
            // may be acknowledged.
            ledger.recordReported(tag: sharedTag, stored: false)
        }
    }

    private func takeStatus(_ message: MessageBatch.Message) throws(Rejection) {
        let event = try reader.readStatus(message.payload, device: message.device, now: message.time)
        do { try event.encode(into: &letters) } catch { throw Rejection(error) }
        let tag = ledger.beginRecord()
        letters.withUnsafeBytes { send(.events, key: message.device, value: $0, tag: tag) }
        events[event.kind.label, default: 0] += 1
        ledger.settle(as: .produced(samples: 0), from: tag)
    }

    private func reject(_ message: MessageBatch.Message, _ rejection: Rejection) {
        let reason = Rejection.reasonCodes.firstIndex(of: rejection.reasonCode) ?? 0
        // The broker has taken the message from the device already, and a PUBACK's reason code goes no further than to the broker:
        // the message is acknowledged like any other.
        guard !gate.drops(rejection) else { return ledger.drop(reason: reason) }
        let topic = String(decoding: message.topic, as: UTF8.self)
        let device = table.match(message.topic).map { String(decoding: $0.device, as: UTF8.self) }
        let letter = DeadLetter(
            payload: message.payload, sourceTopic: topic, identity: device, stage: rejection.stage, reasonCode: rejection.reasonCode,
            text: rejection.text, time: message.time)
        do { try letter.encode(into: &letters) } catch {
            // Cannot happen: a dead letter cuts what is too long. If it does, the message must not be acknowledged.
            return ledger.abandon()
        }
        let tag = ledger.beginRecord()
        var key = device ?? topic
        key.withUTF8 { key in
            letters.withUnsafeBytes { send(.deadLetters, key: UnsafeRawBufferPointer(key), value: $0, tag: tag) }
        }
        ledger.settle(as: .rejected(reason: reason), from: tag)
    }

    // MARK: Kafka

    private func send(_ destination: RecordProducer.Destination, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64) {
        do {
            try producer.send(destination, key: key, value: value, tag: tag, patience: patience) { self.reported($0, $1) }
        } catch {
            failure = failure ?? error
            ledger.recordReported(tag: tag, stored: false)
        }
    }

    private func reported(_ tag: UInt64, _ error: KafkaError?) {
        if let error { failure = failure ?? error }
        ledger.recordReported(tag: tag, stored: error == nil)
    }

    private func waitForReports() {
        while ledger.outstandingRecords > 0, failure == nil {
            #if FAULT_POINTS
                if SeededBug.acknowledgeBeforeReport.isActive { return }
            #endif
            guard patience() else { return }
            do { try producer.flush { self.reported($0, $1) } } catch { failure = failure ?? error }
            faultPoint("ingestion.between-reports")
        }
    }

    private func count(time: Timestamp, delivery: Duration) {
        let summary = ledger.summary(reasons: Rejection.reasonCodes.count)
        metrics.produced.increment(by: UInt64(summary.produced))
        metrics.samples.increment(by: UInt64(summary.samples))
        metrics.records.increment(by: UInt64(summary.records))
        metrics.returned.increment(by: UInt64(summary.returned))
        for (index, count) in summary.rejected.enumerated() where count > 0 {
            metrics.rejected[index].increment(by: UInt64(count))
            metrics.deadLetters[index].increment(by: UInt64(count))
        }
        for (index, count) in summary.dropped.enumerated() where count > 0 { metrics.rejected[index].increment(by: UInt64(count)) }
        if ledger.isSafe { for (label, count) in events { metrics.events[label]?.increment(by: count) } }
        let messages = ledger.messages
        status.update { $0.ended(summary, messages: messages, at: time, delivery: delivery) }
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
