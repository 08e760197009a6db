import Domain
import KafkaClient
import Logging
import Metrics
import PostgresClient
import ServiceKit
import Wire

/// Reads what devices send and notes who is reached. It has a thread, a consumer and a connection of its own.
struct PresenceReader: Service {
    let name = "presence"
    let config: DeviceRegistryConfig
    let metrics: PresenceMetrics
    let status: RegistryStatus
    /// Called when devices were changed: the outbox holds something.
    let changed: @Sendable () -> Void
    let logger: Logger
    let now: @Sendable () -> Timestamp

    func run() async throws {
        try await runOnDedicatedThread(name: "presence") { shutdown in PresenceSession(self, shutdown).run() }
    }
}

/// The reader's state. Confined to its thread.
private final class PresenceSession: PartitionOwner {
    private static let recordsPerPoll = 5_000
    /// A flush is due when so much has gathered, however short ago the last one was.
    private static let mostDevices = 20_000
    private static let mostWords = 5_000
    /// Status messages wait so long for company.
    private static let wordDelay = Duration.milliseconds(100)
    /// Devices of one transaction of the sweep.
    private static let sweepSlice = 5_000

    private let reader: PresenceReader
    private let shutdown: ShutdownSignal
    private let telemetry: String
    private let events: String
    private var connection: PostgresConnection?
    private var consumer: KafkaConsumer?
    private var pending = PendingSigns()
    private var readUntil: [TopicPartition: Timestamp] = [:]
    private var flushed = ContinuousClock.now
    private var firstWord: ContinuousClock.Instant?
    private var nextSweep = ContinuousClock.now
    private var allowance: RegistrationAllowance?
    private var backoff = Backoff()
    /// Since when nothing is known of how far partitions are read.
    private var started: Timestamp

    init(_ reader: PresenceReader, _ shutdown: ShutdownSignal) {
        self.reader = reader
        self.shutdown = shutdown
        started = reader.now()
        telemetry = Topics.telemetry.prefixed(reader.config.topicPrefix).name
        events = Topics.deviceEvents.prefixed(reader.config.topicPrefix).name
        allowance = reader.config.presence.registrations.map { RegistrationAllowance(perSecond: $0, at: .now) }
    }

    func run() {
        while !shutdown.isShuttingDown {
            do {
                guard reader.status.isMigrated else {
                    shutdown.wait(atMost: .milliseconds(100))
                    continue
                }
                try turn()
                backoff.reset()
            } catch {
                failed(error)
            }
        }
        if consumer != nil { try? flush() }
        consumer?.close()
    }

    // MARK: PartitionOwner

    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
        forgetPending()
        reader.logger.info("partitions assigned", metadata: ["partitions": "\(partitions.count)"])
        return try open().nextOffsets(of: partitions)
    }

    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool) { forgetPending() }

    /// Their next owner reads them again.
    private func forgetPending() {
        pending.removeAll()
        readUntil = [:]
        started = reader.now()
        firstWord = nil
        reader.metrics.age.set(0)
    }

    // MARK: One turn

    private func turn() throws {
        let consumer = try self.consumer ?? join()
        self.consumer = consumer
        // What could not be written is tried again before more is read.
        if isFull { try flush() }
        let now = reader.now()
        try consumer.poll(max: Self.recordsPerPoll, timeout: .milliseconds(100), linger: .milliseconds(20)) { record in
            pending.take(record, isEvent: record.isOf(topic: events), now: now)
        }
        if pending.words > 0, firstWord == nil { firstWord = .now }
        if ContinuousClock.now - flushed >= reader.config.presence.flush || isFull {
            try flush()
        } else if let firstWord, ContinuousClock.now - firstWord >= Self.wordDelay {
            try flushWords()
        }
        if ContinuousClock.now >= nextSweep { try sweep() }
    }

    private var isFull: Bool { pending.devices.count >= Self.mostDevices || pending.words >= Self.mostWords }

    /// Writes everything that was read, and how far that is.
    private func flush() throws {
        let (start, now) = (ContinuousClock.now, reader.now())
        try store(pending.devices, try marks(asOf: now), now)
        reader.metrics.records.increment(by: UInt64(pending.records))
        reader.metrics.unreadable.increment(by: UInt64(pending.unreadable))
        pending.removeAll()
        (firstWord, flushed) = (nil, start)
    }

    /// Writes the devices that sent a status; the offsets stay, so after a death these are read again.
    private func flushWords() throws {
        try store(pending.speakers, [:], reader.now())
        pending.removeSpeakers()
        firstWord = nil
    }

    private func store(_ signs: [String: PendingSigns.Signs], _ marks: [TopicPartition: ReadMark], _ now: Timestamp) throws {
        let flush = PresenceFlush(signs: signs, marks: marks, allowance: allowance?.take(at: .now), now: now)
        let outcome = try open().transaction { try flush.store($0) }
        allowance?.used(outcome.registered)
        tell(outcome)
        if outcome.registered + outcome.activated > 0 { reader.changed() }
    }

    /// How far each partition is read, and as of when: nil when the brokers do not say.
    private func marks(asOf now: Timestamp) throws -> [TopicPartition: ReadMark] {
        guard let consumer else { return [:] }
        var positions = consumer.positions()
        if let (oldest, ends) = edges(consumer, positions) {
            for (partition, next) in positions where next < 0 { positions[partition] = oldest[partition] ?? 0 }
            for (partition, next) in positions where (ends[partition] ?? .max) <= next { readUntil[partition] = now }
        }
        let age = positions.keys.map { readUntil[$0] ?? started }.min().map { Double(now.microseconds - $0.microseconds) * 1e-6 }
        reader.metrics.age.set(max(0, age ?? 0))
        return Dictionary(
            uniqueKeysWithValues: positions.map { ($0.key, ReadMark(next: max(0, $0.value), until: readUntil[$0.key])) })
    }

    /// The oldest are asked for only where nothing has been read, and before the ends: where both are the same, nothing is there.
    private func edges(
        _ consumer: KafkaConsumer, _ positions: [TopicPartition: Int64]
    ) -> (oldest: [TopicPartition: Int64], ends: [TopicPartition: Int64])? {
        let patience = Duration.seconds(1)
        let isFresh = positions.values.contains { $0 < 0 }
        guard let oldest = isFresh ? try? consumer.offsets(of: .oldest, timeout: patience) : [:],
            let ends = try? consumer.offsets(of: .end, timeout: patience)
        else { return nil }
        return (oldest, ends)
    }

    /// Looks for devices that are silent; the longer a look takes, the longer is waited for the next.
    private func sweep() throws {
        let start = ContinuousClock.now
        var count = 0
        repeat {
            count = try open().sweepSilent(topics: [telemetry, events], limit: Self.sweepSlice)
            reader.metrics.changed(to: .offline, count)
        } while count == Self.sweepSlice && !shutdown.isShuttingDown
        let end = ContinuousClock.now
        nextSweep = end + max(min(.seconds(1), reader.config.presence.flush), (end - start) * 20)
    }

    private func tell(_ outcome: FlushOutcome) {
        let metrics = reader.metrics
        metrics.registered.increment(by: UInt64(outcome.registered))
        metrics.refused.increment(by: UInt64(outcome.refused))
        for (status, count) in outcome.changes { metrics.changed(to: status, count) }
        for (device, reason) in outcome.unreadable {
            reader.logger.error("a row of presence was unreadable and begins anew", metadata: ["device": device, "reason": reason])
        }
    }

    // MARK: Connections and failures

    private func join() throws -> KafkaConsumer {
        var kafka = reader.config.kafka
        kafka.clientID += "-presence"
        return try KafkaConsumer(
            kafka, group: reader.config.presence.group, topics: [telemetry, events], owner: self, logger: reader.logger)
    }

    private func open() throws -> PostgresConnection {
        if let connection, connection.isUsable { return connection }
        let fresh = try PostgresConnection(reader.config.postgresURL, PostgresOptions(applicationName: "device-registry-presence"))
        // A plan that was made for an empty fleet would be kept for a large one.
        try fresh.execute("SET plan_cache_mode = force_custom_plan")
        connection = fresh
        return fresh
    }

    private func failed(_ error: any Error) {
        guard !shutdown.isShuttingDown else { return }
        reader.metrics.failures.increment()
        if let error = error as? KafkaError { failed(error) } else if connection?.isUsable != true { connection = nil }
        let delay = backoff.next()
        reader.logger.warning("presence failed, trying again", metadata: ["error": "\(error)", "delay": "\(delay)"])
        shutdown.wait(atMost: delay)
    }

    private func failed(_ error: KafkaError) {
        if error.isFatal {
            consumer?.close()
            consumer = nil
            forgetPending()
        } else if error.code == .offsetReset || error.code == .offsetOutOfRange {
            reader.logger.warning("what presence was read to is not in Kafka's log any more: reading all that is there")
            forgetPending()
            guard let consumer else { return }
            try? consumer.restart(at: Dictionary(uniqueKeysWithValues: consumer.assignment.map { ($0, -2) }))
        }
    }
}
