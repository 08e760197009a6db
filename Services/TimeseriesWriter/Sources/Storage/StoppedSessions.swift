import PostgresClient

/// Sessions of writers that were stopped in the middle of a COPY (a frozen machine, SIGSTOP) and so keep their locks.
///
/// PostgreSQL ends a session that idles in a transaction and a statement that takes too long, but neither while it waits for a client's
/// COPY data: there it listens to `pg_terminate_backend` alone. A role may use that on its own sessions.
enum StoppedSessions {
    /// As long as any other session may idle in a transaction.
    static let patience = Duration.seconds(10)

    /// Ends the sessions of the same role and program in the same database that have waited for COPY data longer than `patience`. One that
    /// was only slow has its transaction rolled back and tries again.
    /// - Returns: how many were ended.
    static func end(waiting patience: Duration = patience, on connection: PostgresConnection) throws -> Int {
        let result = try connection.query(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
              AND application_name = current_setting('application_name')
              AND state = 'active' AND wait_event = 'ClientRead' AND query_start < clock_timestamp() - $1 * interval '1 second'
            """, [.double(Double(patience.components.seconds))])
        return result.count
    }
}
