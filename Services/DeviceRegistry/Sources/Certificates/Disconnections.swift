import Domain
import Logging
import Metrics
import PostgresClient

/// Has the broker end the connections of devices whose certificates were revoked.
///
/// Each is ended three times in eight seconds: a broker that read its list late has let the device in again meanwhile. What was wanted
/// stands in the database until it is done, so neither a broker that is away nor a restart loses it.
struct Disconnections {
    /// Connections that are ended at a time.
    static let batch = 200

    /// Seconds to the next round, after each but the last.
    private static let pauses = [2, 6]

    let sessions: BrokerSessions
    let metrics: CertificateMetrics
    let logger: Logger
    private var backoff = DisconnectionPause()

    init(sessions: BrokerSessions, metrics: CertificateMetrics, logger: Logger) {
        (self.sessions, self.metrics, self.logger) = (sessions, metrics, logger)
    }

    struct Wish: Sendable {
        let device: String
        /// Microseconds since the Unix epoch.
        let wantedAt: Int64
        let rounds: Int
    }

    /// What is to be ended now. Asked before the list is looked after: whatever is found here is on the list when it is carried out.
    func due(_ connection: PostgresConnection) throws -> [Wish] {
        guard backoff.isOver else { return [] }
        return try connection.queryPrepared(
            "disconnections-due",
            "SELECT device, wanted_at, rounds FROM registry.disconnections WHERE due_at <= now() ORDER BY due_at LIMIT \(Self.batch)"
        ).map { Wish(device: try $0.get(0), wantedAt: try $0.time(1).microseconds, rounds: Int(try $0.get(2, as: Int16.self))) }
    }

    /// - Returns: whether more may be due at once.
    mutating func carryOut(_ wishes: [Wish], _ connection: PostgresConnection) throws -> Bool {
        guard !wishes.isEmpty else { return false }
        let (ended, fault) = sessions.end(wishes.map(\.device))
        // One commit for all: each has to reach the disk.
        try connection.transaction { connection in
            for wish in wishes where ended.contains(wish.device) { try settle(wish, connection) }
        }
        metrics.disconnected.increment(by: UInt64(ended.count))
        guard let fault else {
            backoff.reset()
            return wishes.count == Self.batch
        }
        metrics.disconnectionFailures.increment(by: UInt64(wishes.count - ended.count))
        let delay = backoff.lengthen()
        logger.warning(
            "cannot end connections of revoked devices, trying again",
            metadata: ["error": "\(fault)", "devices": "\(wishes.count - ended.count)", "delay": "\(delay)"])
        return false
    }

    /// One that was wanted anew meanwhile stays.
    private func settle(_ wish: Wish, _ connection: PostgresConnection) throws {
        let key: [PostgresValue] = [.text(wish.device), .timestamp(microseconds: wish.wantedAt)]
        guard wish.rounds < Self.pauses.count else {
            try connection.queryPrepared("disconnected", "DELETE FROM registry.disconnections WHERE device = $1 AND wanted_at = $2", key)
            return
        }
        try connection.queryPrepared(
            "disconnect-again",
            """
            UPDATE registry.disconnections SET rounds = rounds + 1, due_at = now() + $3 * interval '1 second'
            WHERE device = $1 AND wanted_at = $2
            """, key + [.int64(Int64(Self.pauses[wish.rounds]))])
    }
}

/// How long a broker that is away is left alone; meanwhile lists are made as ever.
private struct DisconnectionPause {
    private var length = Duration.zero
    private var end = ContinuousClock.now

    var isOver: Bool { .now >= end }

    mutating func reset() { length = .zero }

    mutating func lengthen() -> Duration {
        length = min(max(.milliseconds(500), length * 2), .seconds(10))
        end = .now + length
        return length
    }
}
