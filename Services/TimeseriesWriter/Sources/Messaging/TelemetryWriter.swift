import Domain
import FaultPoints
import KafkaClient
import Logging
import Metrics
import ServiceKit
import Wire

/// How the loop consumes and when it commits.
struct WriterSettings: Sendable {
    var topic: String
    var group: String
    var groupInstance: String?
    /// A batch is committed when it has so many rows,
    var batchRows: Int
    /// or its first record is so old,
    var batchAge: Duration
    /// or no further record came for so long.
    var idleGap: Duration
    /// Text values and dead letters together, in bytes, that a batch may hold.
    var batchBytes: Int = 8 << 20
    var backfill: Duration
    var future: Duration
}

/// The consumer's loop: Kafka records → batch → one transaction. Confined to one thread.
///
/// After any failure nothing in memory is trusted: the batch is dropped, the database is asked where to go on, and Kafka delivers again.
final class TelemetryWriter: PartitionOwner {
    /// One poll takes at most so many records, so that a batch of large records stays bounded: its size is looked at between polls.
    private static let recordsPerPoll = 128
    /// Longer than the greatest delay between attempts.
    private static let incidentMemory = Duration.seconds(8)
    /// Two replicas of one name throw each other out: who was in for less than this waits longer each time.
    private static let lastingMembership = Duration.seconds(60)

    private let settings: WriterSettings
    private let kafka: KafkaConfiguration
    private let sink: any SampleSink
    private let outbox: DeadLetterOutbox
    private let metrics: TimeseriesWriterMetrics
    private let status: WriterStatus
    private let logger: Logger
    private let now: () -> Timestamp
    private var intake: RecordIntake
    private var started = ContinuousClock.now
    private var mustRestart = false
    private var lastIncident: ContinuousClock.Instant?
    private var backoff = Backoff()
    private var rejoins = Backoff(first: .milliseconds(500), limit: .seconds(30))
    private var dayAhead: Int32?

    init(
        _ settings: WriterSettings, kafka: KafkaConfiguration, sink: any SampleSink, outbox: DeadLetterOutbox,
        metrics: TimeseriesWriterMetrics, status: WriterStatus, logger: Logger, now: @escaping () -> Timestamp
    ) {
        self.settings = settings
        self.kafka = kafka
        self.sink = sink
        self.outbox = outbox
        self.metrics = metrics
        self.status = status
        self.logger = logger
        self.now = now
        intake = RecordIntake(topic: settings.topic, backfill: settings.backfill, future: settings.future)
    }

    /// Consumes until the end is asked for, then stores what is pending and leaves the group.
    /// - Throws: when a consumer cannot be made from the configuration.
    func run(until shutdown: ShutdownSignal, metrics registry: MetricsRegistry) throws {
        defer { outbox.close() }
        while !shutdown.isShuttingDown {
            let consumer = try KafkaConsumer(
                kafka, group: settings.group, groupInstance: settings.groupInstance, topics: [settings.topic], owner: self, logger: logger,
                metrics: registry)
            let joined = ContinuousClock.now
            do {
                defer { consumer.close() }
                try consume(consumer, until: shutdown)
                finish(consumer)
            } catch {
                if ContinuousClock.now - joined > Self.lastingMembership { rejoins.reset() }
                waitToRejoin(after: error, shutdown)
            }
        }
    }

    /// - Throws: when Kafka has thrown this consumer out for good.
    private func consume(_ consumer: KafkaConsumer, until shutdown: ShutdownSignal) throws(KafkaError) {
        while !shutdown.isShuttingDown {
            do {
                try turn(consumer)
                settle()
            } catch let error as KafkaError where error.isFatal {
                throw error
            } catch {
                recover(from: error, shutdown)
            }
        }
    }

    /// A static member that was away past its session may find that the group has fenced its old self: only a new consumer gets in again.
    private func waitToRejoin(after error: KafkaError, _ shutdown: ShutdownSignal) {
        giveBack()
        status.failed("\(error)")
        let delay = rejoins.next()
        logger.error(
            "thrown out of the consumer group, joining anew",
            metadata: ["error": "\(error)", "attempt": "\(rejoins.attempts)", "delay": "\(delay)"])
        shutdown.wait(atMost: delay)
    }

    // MARK: PartitionOwner

    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
        giveBack()
        sink.forget(connectionToo: false)
        let stored = try sink.nextOffsets(of: partitions)
        intake.place(partitions, at: stored)
        mustRestart = false
        faultPoint("writer.assigned")
        status.assigned(partitions.count)
        logger.info("partitions assigned", metadata: ["partitions": "\(partitions.count)", "known": "\(stored.count)"])
        #if FAULT_POINTS
            if SeededBug.greaterForAtLeast.isActive { return stored.mapValues { $0 + 1 } }
        #endif
        return stored
    }

    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool) {
        giveBack()
        intake.removePartitions()
        sink.forget(connectionToo: false)
        mustRestart = false
        status.assigned(0)
        logger.info("partitions revoked", metadata: ["partitions": "\(partitions.count)", "lost": "\(lost)"])
    }

    // MARK: One turn

    private func turn(_ consumer: KafkaConsumer) throws {
        if mustRestart { try restart(consumer) }
        try keepPartitionsAhead()
        let age = ContinuousClock.now - started
        let isEmpty = intake.pending == 0
        let gap = isEmpty ? settings.idleGap : max(.milliseconds(1), min(settings.idleGap, settings.batchAge - age))
        var taken = 0
        try consumer.poll(max: Self.recordsPerPoll, timeout: isEmpty ? .milliseconds(200) : gap, linger: gap) { record in
            if intake.pending == 0 { started = ContinuousClock.now }
            let before = intake.pending
            if let letter = intake.take(record, now: now()) { outbox.add(letter) }
            taken += intake.pending - before
        }
        metrics.consumed.increment(by: UInt64(taken))
        metrics.inFlight.set(Double(intake.pending))
        if isDue(taken: taken) { try store(consumer) }
    }

    private func isDue(taken: Int) -> Bool {
        guard intake.pending > 0 else { return false }
        return taken == 0 || intake.batch.rows.count >= settings.batchRows
            || intake.batch.textBytes + outbox.bytes >= settings.batchBytes || ContinuousClock.now - started >= settings.batchAge
    }

    private func store(_ consumer: KafkaConsumer) throws {
        let steps = intake.steps
        let plan = try intake.withBatch { batch in
            try sink.write(&batch, steps) { try outbox.deliver() }
        }
        record(plan)
        consumer.commitForDisplay(Dictionary(uniqueKeysWithValues: steps.map { ($0.partition, $0.next) }))
        faultPoint("writer.offset_commit")
        outbox.removeAll()
        intake.committed()
        metrics.inFlight.set(0)
    }

    private func record(_ plan: BatchPlan) {
        metrics.batches.increment()
        metrics.written.increment(by: UInt64(plan.recordsWritten))
        metrics.duplicate.increment(by: UInt64(plan.recordsDuplicate))
        metrics.rowsWritten.increment(by: UInt64(plan.rowsWritten))
        metrics.rowsDuplicate.increment(by: UInt64(plan.rowsDuplicate))
        metrics.rowsUnverified.increment(by: UInt64(plan.rowsUnverified))
        metrics.rowsLate.increment(by: UInt64(plan.rowsLate))
        for letter in outbox.letters { metrics.deadLettered(reason: letter.reasonCode).increment() }
        if let letter = outbox.letters.first {
            logger.warning(
                "records sent to dead letters",
                metadata: ["count": "\(outbox.letters.count)", "first_reason": letter.reasonCode, "first_text": letter.text])
        }
        let stored = now().microseconds
        for batchRecord in intake.batch.records { metrics.ingestToStored.observe(Double(stored - batchRecord.ingestTime) * 1e-6) }
        for row in intake.batch.rows where !row.isDropped { metrics.endToEnd.observe(Double(stored - row.time) * 1e-6) }
    }

    // MARK: Failures

    private func restart(_ consumer: KafkaConsumer) throws {
        giveBack()
        let partitions = consumer.assignment
        let stored = try sink.nextOffsets(of: partitions)
        var starts = stored
        for partition in partitions where stored[partition] == nil { starts[partition] = -2 }  // the oldest record there is
        intake.place(partitions, at: stored)
        if !starts.isEmpty { try consumer.restart(at: starts) }
        mustRestart = false
    }

    private func recover(from error: any Error, _ shutdown: ShutdownSignal) {
        let isKafka = error is KafkaError
        if let error = error as? KafkaError {
            noteIncident(error)
        } else {
            giveBack()
            mustRestart = true
            metrics.failures.increment()
            var isFence = false
            if case SinkError.fenced = error { isFence = true }
            if isFence { metrics.fenced.increment() }
            sink.forget(connectionToo: !(error is SinkError))
        }
        status.failed("\(error)")
        let delay = backoff.next()
        logger.warning(
            isKafka ? "consuming failed, trying again" : "storing failed, trying again from the stored offsets",
            metadata: ["error": "\(error)", "attempt": "\(backoff.attempts)", "delay": "\(delay)"])
        shutdown.wait(atMost: delay)
    }

    private func noteIncident(_ error: KafkaError) {
        guard error.code == .offsetReset || error.code == .offsetOutOfRange else { return }
        metrics.incident.set(1)
        let text =
            "a stored offset is not in Kafka's log any more: data between may be lost, so consuming has stopped. If that is accepted, "
            + "delete the partition's row from timeseries.sink_offsets; consuming then goes on with the oldest record. \(error)"
        status.incident(text)
        if lastIncident == nil { logger.critical("\(text)") }
        lastIncident = ContinuousClock.now
        // Until somebody corrects the stored offset, which may happen at any time: ask for it again and try it.
        mustRestart = true
    }

    /// All is well: but an incident shows only some time after the consumer was placed, so it is not over with the first quiet turn.
    private func settle() {
        if let lastIncident, ContinuousClock.now - lastIncident < Self.incidentMemory { return }
        lastIncident = nil
        status.failed(nil)
        status.incident(nil)
        metrics.incident.set(0)
        backoff.reset()
    }

    private func giveBack() {
        metrics.returned.increment(by: UInt64(intake.discard()))
        outbox.removeAll()
        metrics.inFlight.set(0)
    }

    private func finish(_ consumer: KafkaConsumer) {
        guard intake.pending > 0, !mustRestart else { return giveBack() }
        do {
            try store(consumer)
        } catch {
            giveBack()
            logger.warning("the last batch was not stored; it is consumed again at the next start", metadata: ["error": "\(error)"])
        }
    }

    private func keepPartitionsAhead() throws {
        let today = Int32(truncatingIfNeeded: RowBatch.day(of: now().microseconds))
        guard dayAhead != today else { return }
        try sink.keepPartitionsAhead(today: today)
        dayAhead = today
    }
}
