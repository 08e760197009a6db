import Crypto
import Domain
import Files
import Logging
import Metrics
import PostgresClient
import ServiceKit

/// Keeps the list of revoked certificates up to date: on the board, in a file, and in the mind of a broker that reads that file.
///
/// A revocation is on the list a second after it was committed, by whichever replica. Devices that are suspended, retired or deleted have
/// all their certificates on it, for as long as they are.
struct RevocationPublisher: Service {
    /// How often it is asked whether anything has changed: what a revocation waits for at most.
    static let interval = Duration.seconds(1)

    /// Microseconds between two looks at what ends soon.
    private static let countingInterval: Int64 = 60_000_000

    let name = "revocation-list"
    let authority: CertificateAuthority
    let settings: RevocationSettings
    let board: RevocationListBoard
    /// Nil: connections of revoked devices last until they end.
    let sessions: BrokerSessions?
    let metrics: CertificateMetrics
    let postgresURL: String
    let status: RegistryStatus
    let now: @Sendable () -> Timestamp
    let logger: Logger

    /// What tells one set of revoked certificates from the next.
    private struct Version: Equatable {
        var changes: Int64
        var last: Int64
    }

    func run() async throws {
        try await runOnDedicatedThread(name: "revocation-list") { shutdown in
            var backoff = Backoff()
            while !shutdown.isShuttingDown {
                do {
                    while !status.isMigrated, !shutdown.isShuttingDown { shutdown.wait(atMost: .milliseconds(100)) }
                    try publish(shutdown)
                    backoff = Backoff()
                } catch {
                    // The database away, a full disk: the list in force stays until it has ended, and then lets nobody in.
                    let delay = backoff.next()
                    logger.warning("cannot make the revocation list, trying again", metadata: ["error": "\(error)", "delay": "\(delay)"])
                    shutdown.wait(atMost: delay)
                }
            }
        }
    }

    private func publish(_ shutdown: ShutdownSignal) throws {
        let connection = try PostgresConnection(postgresURL, PostgresOptions(applicationName: "device-registry-revocations"))
        var disconnections = sessions.map { Disconnections(sessions: $0, metrics: metrics, logger: logger) }
        var posted: Version?
        var isUntold = false
        var counted: Timestamp?
        while !shutdown.isShuttingDown {
            let due = try disconnections?.due(connection) ?? []
            // First the version, then the list: what is committed between them is on the list and makes one more.
            let version = try version(connection)
            if version != posted || isAgeing {
                waitForNextList(shutdown)
                try post(connection)
                posted = version
                isUntold = true
            }
            if isUntold { isUntold = !tellBroker() }
            let isMore = try disconnections?.carryOut(due, connection) ?? false
            if disconnections != nil { try measureWaiting(connection) }
            if counted.map({ now().microseconds - $0.microseconds >= Self.countingInterval }) ?? true {
                try count(connection)
                counted = now()
            }
            if !isMore { shutdown.wait(atMost: Self.interval) }
        }
    }

    /// Each list is dated a second later than the one before at least: more than one a second would be dated into the future, where it
    /// lets nobody in.
    private func waitForNextList(_ shutdown: ShutdownSignal) {
        guard let madeAt = board.madeAt else { return }
        let age = now().microseconds - madeAt.microseconds
        if (0..<1_000_000).contains(age) { shutdown.wait(atMost: .microseconds(1_000_000 - age)) }
    }

    private func measureWaiting(_ connection: PostgresConnection) throws {
        let row = try connection.queryPrepared(
            "disconnections-age",
            "SELECT coalesce(extract(epoch FROM now() - min(wanted_at)), 0)::bigint FROM registry.disconnections WHERE rounds = 0"
        ).first
        metrics.disconnectionAge.set(Double(try row?.get(0, as: Int64.self) ?? 0))
    }

    private func count(_ connection: PostgresConnection) throws {
        let row = try connection.query(
            """
            SELECT coalesce(sum(held), 0)::bigint, count(*) FILTER (WHERE last < now() + $1 * interval '1 second') FROM (
                SELECT count(*) AS held, max(c.not_after) AS last FROM registry.certificates c JOIN registry.devices d ON d.id = c.device
                WHERE c.revoked_at IS NULL AND c.not_after > now() AND d.deleted_at IS NULL AND d.lifecycle NOT IN ('suspended', 'retired')
                GROUP BY c.device) devices
            """, [.int64(settings.warning)]
        ).first
        guard let row else { return }
        metrics.valid.set(Double(try row.get(0, as: Int64.self)))
        metrics.expiring.set(Double(try row.get(1, as: Int64.self)))
        // No connection of a device has lasted a day against the list: its broker was started anew, or nobody ends connections here.
        try connection.query("DELETE FROM registry.disconnections WHERE wanted_at < now() - interval '1 day'")
        try connection.query("DELETE FROM registry.revocation_changes WHERE at < now() - interval '1 hour'")
    }

    private var isAgeing: Bool {
        guard let madeAt = board.madeAt else { return true }
        return now().microseconds - madeAt.microseconds > settings.validity * 1_000_000 / 2
    }

    private func version(_ connection: PostgresConnection) throws -> Version {
        let row = try connection.queryPrepared(
            "revocation-version", "SELECT count(*), coalesce(max(id), 0) FROM registry.revocation_changes"
        ).first
        guard let row else { return Version(changes: 0, last: 0) }
        return Version(changes: try row.get(0), last: try row.get(1))
    }

    private func post(_ connection: PostgresConnection) throws {
        let revoked = try connection.revocations()
        let number: Int64 = try connection.query("SELECT nextval('registry.revocation_list_numbers')").first?.get(0) ?? 1
        let now = now()
        let seconds = now.microseconds / 1_000_000
        // OpenSSL takes the list with the later date, in whole seconds: of two of the same date it stays with the first.
        let start = max(seconds - CertificateTerms.backdating, (board.startsAt ?? 0) + 1)
        let list = try authority.revocationList(
            revoked, number: UInt64(number), validity: start...max(start + 1, seconds + settings.validity))
        board.post(list, count: revoked.count, startsAt: start, at: now)
        if !settings.file.isEmpty { try DurableFile.replace(settings.file, list.pem) }
        logger.info("revocation list made", metadata: ["number": "\(number)", "certificates": "\(revoked.count)"])
    }

    /// Mosquitto reads its list again on SIGHUP.
    /// - Returns: false when that has to be tried again.
    private func tellBroker() -> Bool {
        guard !settings.brokerProcess.isEmpty else { return true }
        do {
            try BrokerProcess(file: settings.brokerProcess).reload()
            return true
        } catch {
            logger.warning("cannot tell the broker of the new revocation list, trying again", metadata: ["error": "\(error)"])
            return false
        }
    }
}

/// Where the list goes, and for how long it holds.
struct RevocationSettings: Sendable {
    /// Seconds.
    var validity: Int64
    /// Seconds before its end at which a certificate counts as expiring.
    var warning: Int64
    /// Empty: none.
    var file: String
    /// File with the broker's process id; empty: none.
    var brokerProcess: String
}

extension PostgresConnection {
    /// Certificates that have not ended by themselves and do not count.
    fileprivate func revocations() throws -> [Revocation] {
        try query(
            """
            SELECT serial, revoked_at, reason FROM registry.certificates
            WHERE revoked_at IS NOT NULL AND not_after > now() - interval '1 hour'
            UNION ALL
            SELECT c.serial, d.updated_at, CASE WHEN d.lifecycle = 'suspended' AND d.deleted_at IS NULL THEN 6 ELSE 5 END::smallint
            FROM registry.devices d JOIN registry.certificates c ON c.device = d.id
            WHERE (d.deleted_at IS NOT NULL OR d.lifecycle IN ('suspended', 'retired')) AND c.revoked_at IS NULL AND c.not_after > now()
            """
        ).map { row in
            let text: String = try row.get(0)
            guard let serial = SerialNumber(hexadecimal: text),
                let reason = Revocation.Reason(rawValue: Int(try row.get(2, as: Int16.self)))
            else { throw StoredRowError(description: "certificate \(text) as stored has no serial number or no reason") }
            return Revocation(serial: serial, at: try row.time(1).microseconds / 1_000_000, reason: reason)
        }
    }
}
