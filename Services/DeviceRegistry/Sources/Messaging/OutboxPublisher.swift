import Domain
import FaultPoints
import KafkaClient
import Logging
import Metrics
import PostgresClient
import ServiceKit
import Wire

/// Tells the topics what changed, in the replica that holds the session's advisory lock. It has a thread and a connection of its own.
///
/// The outbox says what changed, the record is made from the row as it then is, and an entry goes only once Kafka has the record: a death
/// at any point leads to records being sent again, never to one that is missing.
struct OutboxPublisher: Service {
    let name = "publisher"
    let config: DeviceRegistryConfig
    let metrics: OutboxMetrics
    let devices: DeviceGauges
    let status: RegistryStatus
    let wake: PublisherWake
    /// Gets the Kafka client's own numbers.
    let clientMetrics: MetricsRegistry
    let logger: Logger
    /// What a test wants to happen at the steps of a batch.
    var fault: @Sendable (PublishStep) throws -> Void = { _ in }

    func run() async throws {
        try await runOnDedicatedThread(name: "publisher") { shutdown in
            let hook = shutdown.onShutdown { wake.signal() }
            defer { shutdown.removeHook(hook) }
            PublisherSession(self, shutdown).run()
        }
    }
}

/// The steps of a batch, in their order: read the entries and their rows, hand the records to Kafka, remove the entries.
enum PublishStep: String, CaseIterable, Sendable { case read, sent, removed }

/// The publisher's state. Confined to its thread.
private final class PublisherSession {
    /// The server ends the session of a leader that was not heard of for so long (a stopped process), so that another can take over.
    private static let silence = "30s"
    private static let patience = Duration.seconds(15)

    private let publisher: OutboxPublisher
    private let shutdown: ShutdownSignal
    private var connection: PostgresConnection?
    private var topics: PublishedTopics?
    private var isLeader = false
    private var backoff = Backoff()
    /// When the gauges are brought up to date again.
    private var due = ContinuousClock.now
    private var toldEntries = Sweepings(of: "registry.outbox")
    private var foldedChanges = Sweepings(of: "registry.device_count_changes")
    /// Handed to Kafka by a session that ended before the entries were removed. Another replica may have told these since, and a late
    /// record of ours may have come behind its one: they are told again.
    private var doubtful: Set<OutboxSubject> = []

    init(_ publisher: OutboxPublisher, _ shutdown: ShutdownSignal) {
        self.publisher = publisher
        self.shutdown = shutdown
    }

    func run() {
        while !shutdown.isShuttingDown {
            do {
                let didWork = publisher.status.isMigrated ? try turn() : false
                backoff.reset()
                if !didWork { publisher.wake.wait(atMost: publisher.config.outbox.poll) }
            } catch {
                failed(error)
            }
        }
        topics?.close()
        resign()
    }

    /// - Returns: whether more may be waiting.
    private func turn() throws -> Bool {
        let connection = try open()
        if !doubtful.isEmpty {
            try connection.addOutboxEntries(doubtful)
            doubtful = []
        }
        guard try leads(connection) else { return false }
        try report(connection)
        let waiting = try connection.waitingChanges(limit: publisher.config.outbox.batch)
        guard !waiting.entries.isEmpty else { return false }
        try publish(waiting, connection)
        return true
    }

    private func publish(_ waiting: WaitingChanges, _ connection: PostgresConnection) throws {
        let batch = waiting.batch
        try reached(.read)
        let topics = try self.topics ?? PublishedTopics(publisher.config, metrics: publisher.clientMetrics, logger: publisher.logger)
        self.topics = topics
        doubtful = Set(batch.subjects.map(\.subject))
        let untold = try topics.send(batch, waiting.devices, waiting.types, patience: Self.patience)
        try reached(.sent)
        try connection.removeOutboxEntries(waiting.entries)
        doubtful = []
        toldEntries.add(waiting.entries.count)
        publisher.metrics.published.increment(by: UInt64(batch.subjects.count - untold.count))
        note(untold)
        try reached(.removed)
    }

    private func reached(_ step: PublishStep) throws {
        faultPoint("publisher.\(step.rawValue)")
        try publisher.fault(step)
    }

    /// Rows that were made by hand and break a rule must not keep all others from being told.
    private func note(_ untold: [OutboxSubject: any Error]) {
        publisher.metrics.untold.increment(by: UInt64(untold.count))
        for (subject, error) in untold {
            publisher.logger.error(
                "a row cannot be told to the topics: mend it by hand",
                metadata: ["kind": subject.kind.rawValue, "key": subject.key, "error": "\(error)"])
        }
    }

    /// Once a second; the leader also folds the changes of the counts, so that reading them stays cheap.
    private func report(_ connection: PostgresConnection) throws {
        guard ContinuousClock.now >= due else { return }
        let (count, age) = try connection.outboxBacklog()
        publisher.metrics.entries.set(Double(count))
        publisher.metrics.age.set(age)
        foldedChanges.add(try connection.foldCounts())
        try foldedChanges.clear(connection)
        try toldEntries.clear(connection)
        publisher.devices.set(try connection.statusCounts())
        due = ContinuousClock.now + .seconds(1)
    }

    /// A leader asks, too: a session that the server has ended is noticed here.
    private func leads(_ connection: PostgresConnection) throws -> Bool {
        if isLeader { return true }
        let row = try connection.query("SELECT pg_try_advisory_lock(hashtext('registry.outbox'), 0)").first
        guard let row, try row.get(0, as: Bool.self) else { return false }
        isLeader = true
        due = .now
        publisher.metrics.isLeader.set(1)
        publisher.logger.info("this replica publishes from now on")
        return true
    }

    private func open() throws -> PostgresConnection {
        if let connection, connection.isUsable { return connection }
        resign()
        let fresh = try PostgresConnection(
            publisher.config.postgresURL, PostgresOptions(applicationName: "device-registry-publisher", planning: .growingTables))
        // A removal that a crash of the server undoes leads to a record that is sent again, so it waits for no disk.
        try fresh.execute("SET idle_session_timeout = '\(Self.silence)'; SET synchronous_commit = off")
        connection = fresh
        return fresh
    }

    private func resign() {
        if isLeader, !shutdown.isShuttingDown {
            publisher.logger.warning("this replica does not publish any more: its session with the database is over")
        }
        connection = nil
        isLeader = false
        for gauge in [publisher.metrics.isLeader, publisher.metrics.entries, publisher.metrics.age] { gauge.set(0) }
        publisher.devices.set([])
    }

    private func failed(_ error: any Error) {
        guard !shutdown.isShuttingDown else { return }
        // Reports of this round must not be taken for the next one's.
        topics?.close()
        topics = nil
        // While the session lives this replica leads, and the entries are where they were: nothing is in doubt.
        if (try? connection?.execute("SELECT 1")) == nil { resign() } else { doubtful = [] }
        publisher.metrics.failures.increment()
        let delay = backoff.next()
        publisher.logger.warning("publishing failed, nothing is lost, trying again", metadata: ["error": "\(error)", "delay": "\(delay)"])
        shutdown.wait(atMost: delay)
    }
}

/// The oldest entries and the rows that they are about, of one moment.
private struct WaitingChanges {
    var entries: [OutboxEntry] = []
    var batch = PublishedBatch([])
    var devices = PublishedRows<DeviceRecord>()
    var types = PublishedRows<DeviceTypeRecord>()
}

extension PostgresConnection {
    fileprivate func waitingChanges(limit: Int) throws -> WaitingChanges {
        try transaction { connection in
            try connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            var waiting = WaitingChanges()
            waiting.entries = try connection.outboxEntries(limit: limit)
            guard !waiting.entries.isEmpty else { return waiting }
            waiting.batch = PublishedBatch(waiting.entries)
            waiting.devices = try connection.deviceRecords(waiting.batch.keys(.device))
            waiting.types = try connection.typeRecords(waiting.batch.keys(.type))
            return waiting
        }
    }
}
