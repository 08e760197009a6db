import Domain
import Logging
import Metrics
import PostgresClient
import ServiceKit

/// Keeps the view of who may speak in step with the database. It has a thread and a connection of its own.
///
/// Changes of this replica wake it at once, those of others it finds by asking. While the database is away the view grows old and says so.
struct AccessFollower: Service {
    let name = "access-view"
    let postgresURL: String
    let view: AccessView
    let use: CredentialUse
    /// How soon changes of other replicas are looked for.
    let poll: Duration
    let status: RegistryStatus
    let wake: PublisherWake
    let metrics: AccessViewMetrics
    let logger: Logger

    func run() async throws {
        try await runOnDedicatedThread(name: "access-view") { shutdown in
            let hook = shutdown.onShutdown { wake.signal() }
            defer { shutdown.removeHook(hook) }
            FollowingSession(self, shutdown).run()
        }
    }
}

/// What following counts.
struct AccessViewMetrics: Sendable {
    let devices: Gauge
    let reloads: Counter

    init(_ registry: MetricsRegistry) {
        devices = registry.gauge("iot_registry_access_devices", help: "Devices in the view that the broker's questions are answered from.")
        reloads = registry.counter("iot_registry_access_reloads_total", help: "How often that view was read from zero.")
    }
}

/// The follower's state. Confined to its thread.
private final class FollowingSession {
    /// Who was away for longer may have missed changes that are removed by now: half of what they are kept.
    private static let longestAbsence = Duration.seconds(1_800)
    /// Between two writings of what is told for information, and of what is cleared away.
    private static let choreInterval = Duration.seconds(5)

    private let follower: AccessFollower
    private let shutdown: ShutdownSignal
    private var connection: PostgresConnection?
    private var position: AccessPosition?
    private var lastLook = ContinuousClock.now
    private var choresDue = ContinuousClock.now
    private var backoff = Backoff()

    init(_ follower: AccessFollower, _ shutdown: ShutdownSignal) {
        self.follower = follower
        self.shutdown = shutdown
    }

    func run() {
        while !shutdown.isShuttingDown {
            do {
                if follower.status.isMigrated { try turn() }
                backoff.reset()
                follower.wake.wait(atMost: follower.poll)
            } catch {
                failed(error)
            }
        }
        // What was noted last is worth a try, not a wait.
        if let connection, connection.isUsable { try? follower.use.write(connection) }
        connection = nil
    }

    private func turn() throws {
        let connection = try open()
        let began = ContinuousClock.now
        if let position, began - lastLook < Self.longestAbsence {
            let (changes, next) = try connection.accessChanges(since: position)
            if !changes.isEmpty { follower.view.apply(changes) }
            self.position = next
        } else {
            let (content, next) = try connection.accessContent()
            follower.view.replaceAll(with: content)
            position = next
            follower.metrics.reloads.increment()
        }
        lastLook = began
        follower.view.markCurrent(asOf: began)
        try doChores(connection)
    }

    private func doChores(_ connection: PostgresConnection) throws {
        guard ContinuousClock.now >= choresDue else { return }
        choresDue = ContinuousClock.now + Self.choreInterval
        follower.metrics.devices.set(Double(follower.view.count))
        try follower.use.write(connection)
        try connection.forgetAccessChanges()
    }

    /// A new session reads everything anew: it may be another server, or an older state of it.
    private func open() throws -> PostgresConnection {
        if let connection, connection.isUsable { return connection }
        position = nil
        let fresh = try PostgresConnection(
            follower.postgresURL,
            PostgresOptions(applicationName: "device-registry-access", statementTimeout: .seconds(120), planning: .growingTables))
        connection = fresh
        return fresh
    }

    private func failed(_ error: any Error) {
        guard !shutdown.isShuttingDown else { return }
        connection = nil
        let delay = backoff.next()
        follower.logger.warning(
            "who may speak cannot be looked up, trying again; when that lasts the broker is refused every answer",
            metadata: ["error": "\(error)", "delay": "\(delay)"])
        shutdown.wait(atMost: delay)
    }
}
