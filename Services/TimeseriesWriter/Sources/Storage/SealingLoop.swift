import Domain
import FaultPoints
import Logging
import Metrics
import PostgresClient
import ServiceKit

/// Seals in one of the replicas: the one that holds the session's advisory lock. It has a thread and a connection of its own; whatever
/// happens here, the writer goes on.
struct SealingLoop: Service {
    let name = "sealing"
    let url: String
    let options: PostgresOptions
    let settings: SealSettings
    let metrics: SealMetrics
    let status: WriterStatus
    let logger: Logger
    let now: @Sendable () -> Timestamp
    /// What a test wants to happen at the steps of a run.
    var fault: @Sendable (SealStep) throws -> Void = { _ in }

    func run() async throws {
        try await runOnDedicatedThread(name: "sealing") { shutdown in
            let session = SealingSession(self, shutdown)
            session.run()
        }
    }
}

/// The loop's state. Confined to its thread.
private final class SealingSession {
    /// How often a replica asks whether it can lead, or the leader whether it still does.
    private static let pulse = Duration.seconds(5)
    /// The server ends the session of a leader that was not heard of for so long (a stopped process), so that another can take over.
    private static let silence = "60s"

    private let loop: SealingLoop
    private let shutdown: ShutdownSignal
    private var connection: PostgresConnection?
    private var isLeader = false
    private var due = ContinuousClock.now
    private var backoff = Backoff()

    init(_ loop: SealingLoop, _ shutdown: ShutdownSignal) {
        self.loop = loop
        self.shutdown = shutdown
    }

    func run() {
        while !shutdown.isShuttingDown {
            do {
                if loop.status.isMigrated { try turn() }
                backoff.reset()
                shutdown.wait(atMost: loop.status.isMigrated ? min(Self.pulse, loop.settings.interval) : .milliseconds(200))
            } catch {
                failed(error)
            }
        }
        connection = nil
        loop.metrics.isLeader.set(0)
    }

    private func turn() throws {
        let connection = try open()
        try lead(connection)
        guard isLeader, ContinuousClock.now >= due else { return }
        // The end of the service also ends a statement that takes long or waits for a lock.
        let canceller = connection.makeCanceller()
        let hook = shutdown.onShutdown { canceller.cancel() }
        defer { shutdown.removeHook(hook) }
        let (shutdown, fault) = (shutdown, loop.fault)
        let observe: (SealStep) throws -> Void = { step in
            faultPoint("writer.seal.\(step.rawValue)")
            try fault(step)
        }
        let watch = SealWatch(observe: observe, isStopping: { shutdown.isShuttingDown }, wait: { shutdown.wait(atMost: $0) })
        try SealingRun(connection: connection, settings: loop.settings, metrics: loop.metrics, logger: loop.logger, watch: watch)
            .run(now: loop.now().microseconds)
        due = ContinuousClock.now + loop.settings.interval
    }

    /// A leader asks, too: a session that the server has ended is noticed here.
    private func lead(_ connection: PostgresConnection) throws {
        if isLeader {
            try connection.execute("SELECT 1")
            return
        }
        let row = try connection.query("SELECT pg_try_advisory_lock(hashtext('timeseries.seal'), 0)").first
        guard let row, try row.get(0, as: Bool.self) else {
            // The leader may be one that was stopped; its locks would keep everybody from sealing.
            let ended = try StoppedSessions.end(on: connection)
            if ended > 0 { loop.logger.warning("ended sessions of a stopped replica that was sealing", metadata: ["sessions": "\(ended)"]) }
            return
        }
        isLeader = true
        due = .now
        loop.metrics.isLeader.set(1)
        loop.logger.info("this replica seals from now on")
    }

    private func open() throws -> PostgresConnection {
        if let connection, connection.isUsable { return connection }
        resign()
        let fresh = try PostgresConnection(loop.url, loop.options)
        try fresh.execute(
            "SET lock_timeout = '5s'; SET default_transaction_isolation = 'read committed'; SET idle_session_timeout = '\(Self.silence)'")
        connection = fresh
        return fresh
    }

    private func resign() {
        if isLeader { loop.logger.warning("this replica does not seal any more: its session with the database is over") }
        connection = nil
        isLeader = false
        loop.metrics.isLeader.set(0)
    }

    private func failed(_ error: any Error) {
        guard !shutdown.isShuttingDown else { return }
        let wasLeader = isLeader
        // A session in doubt is given up, and with it the lead: another replica may do better.
        resign()
        if wasLeader { loop.metrics.failures.increment() }
        let delay = max(backoff.next(), wasLeader ? min(loop.settings.interval, .seconds(60)) : .zero)
        loop.logger.warning("sealing failed, nothing is lost, trying again", metadata: ["error": "\(error)", "delay": "\(delay)"])
        shutdown.wait(atMost: delay)
    }
}
