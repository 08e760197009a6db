import Domain
import PostgresClient

/// Who changes something, told to the audit log with the change.
struct Author: Sendable {
    var actor: String
    /// What is done, in a word: `replace`, `suspend`.
    var action: String
    var requestID: String?
    /// Set when it is a device, by a token of its own.
    var device: DeviceProof?
}

/// What a device's token was asked with. Whoever verifies offline takes the token until it ends; what changes something asks again.
struct DeviceProof: Sendable, Hashable {
    let device: String
    /// Nil: an operator's tool made the token.
    let credential: CredentialID?
}

/// The registry's tables, over a pool of connections. Every change is one transaction that knows its author.
struct RegistryDatabase: Sendable {
    /// How often a transaction that lost a race (deadlock, serialization) is tried again.
    private static let attempts = 5

    let pool: PostgresPool
    /// Called after a change was committed: the outbox may hold something.
    let changed: @Sendable () -> Void
    /// Nil when what is asked is no request's.
    var traffic: RequestTraffic?

    func read<R: Sendable>(_ body: @escaping @Sendable (PostgresConnection) throws -> R) async throws -> R {
        traffic?.note()
        return try await pool.run(body)
    }

    /// Runs `body` in a transaction. It may run again: after a lost race, or on a new connection when the old one turned out dead; then a
    /// precondition that held the first time may fail although the change was made.
    func change<R: Sendable>(_ author: Author, _ body: @escaping @Sendable (PostgresConnection) throws -> R) async throws -> R {
        traffic?.note()
        let result = try await pool.run { connection in
            var attempt = 1
            while true {
                do {
                    return try connection.transaction { connection in
                        try connection.tell(author)
                        if let proof = author.device { try connection.check(proof) }
                        return try body(connection)
                    }
                } catch let error as PostgresError where .transactionRollback ~= error && attempt < Self.attempts {
                    attempt += 1
                }
            }
        }
        changed()
        return result
    }

    func isReachable() async throws { try await pool.run { _ = try $0.query("SELECT 1") } }
}

extension PostgresConnection {
    /// Names the author of what the open transaction changes: the audit rows carry it.
    func tell(_ author: Author) throws(PostgresError) {
        try queryPrepared(
            "author",
            "SELECT set_config('registry.actor', $1, true), set_config('registry.action', $2, true), set_config('registry.request', $3, true)",
            [.text(author.actor), .text(author.action), .text(author.requestID ?? "")])
    }

    /// - Throws: when the device may not speak any more, or the credential has ended that its token came of. Devices that are not there are
    ///   left to those who look for them.
    fileprivate func check(_ proof: DeviceProof) throws {
        let rows = try queryPrepared(
            "device-proof",
            """
            SELECT deleted_at IS NULL AND lifecycle NOT IN ('suspended', 'retired') AND ($2 = '' OR EXISTS (
                SELECT FROM registry.credentials c WHERE c.id = $2 AND c.device = d.id AND c.state = 'active'
                    AND c.not_before <= now() AND (c.not_after IS NULL OR c.not_after > now())))
            FROM registry.devices d WHERE id = $1
            """, [.text(proof.device), .text(proof.credential?.text ?? "")])
        guard let row = rows.first, try !row.get(0, as: Bool.self) else { return }
        throw Refusal(.credentialEnded, "token", "the credential that this token was asked with has ended, or the device is barred")
    }
}

/// A row that this program could not have written.
struct StoredRowError: Error, CustomStringConvertible {
    let description: String
}
