import Domain
import PostgresClient

/// Who changes something, told to the audit log with the change.
struct Author: Sendable {
    var actor: String
    /// What is done, in a word: `replace`, `suspend`.
    var action: String
    var requestID: String?
}

/// The registry's tables, over a pool of connections. Every change is one transaction that knows its author.
struct RegistryDatabase: Sendable {
    /// How often a transaction that lost a race (deadlock, serialization) is tried again.
    private static let attempts = 5

    let pool: PostgresPool
    /// Called after a change was committed: the outbox may hold something.
    let changed: @Sendable () -> Void

    func read<R: Sendable>(_ body: @escaping @Sendable (PostgresConnection) throws -> R) async throws -> R { try await pool.run(body) }

    /// Runs `body` in a transaction. It may run again: after a lost race, or on a new connection when the old one turned out dead; then a
    /// precondition that held the first time may fail although the change was made.
    func change<R: Sendable>(_ author: Author, _ body: @escaping @Sendable (PostgresConnection) throws -> R) async throws -> R {
        let result = try await pool.run { connection in
            var attempt = 1
            while true {
                do {
                    return try connection.transaction { connection in
                        try connection.tell(author)
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
}

/// A row that this program could not have written.
struct StoredRowError: Error, CustomStringConvertible {
    let description: String
}
