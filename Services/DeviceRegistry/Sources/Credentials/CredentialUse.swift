import Domain
import PostgresClient
import Synchronization

/// When credentials were last used, until that is written down: many at a time, so that a login costs no write.
final class CredentialUse: Sendable {
    /// More are not remembered before the next writing; those are told by a later use.
    private static let most = 100_000

    private let times = Mutex<[CredentialID: Int64]>([:])

    func note(_ credential: CredentialID, at now: Timestamp) {
        times.withLock { times in
            if times.count < Self.most || times[credential] != nil { times[credential] = now.microseconds }
        }
    }

    /// Writes what was noted; what could not be written is forgotten: it is told for people's information.
    func write(_ connection: PostgresConnection) throws {
        let noted = times.withLock { times in
            defer { times = [:] }
            return times
        }
        guard !noted.isEmpty else { return }
        // In one order, so that two replicas do not wait for each other.
        let sorted = noted.sorted { $0.key.number < $1.key.number }
        var stamps = PostgresArray(of: .timestamptz)
        for use in sorted { stamps.append(timestamp: use.value) }
        try connection.query(
            """
            UPDATE registry.credentials c SET last_used_at = used.at FROM unnest($1, $2) AS used(id, at)
            WHERE c.id = used.id AND (c.last_used_at IS NULL OR c.last_used_at < used.at)
            """, [.array(PostgresArray(texts: sorted.map(\.key.text))), .array(stamps)])
    }
}
