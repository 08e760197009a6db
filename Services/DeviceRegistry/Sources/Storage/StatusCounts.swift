import PostgresClient

/// How many devices of a type are in a status.
struct StatusCount: Hashable, Sendable {
    let type: String
    let status: String
    let count: Int64
}

extension PostgresConnection {
    func statusCounts() throws -> [StatusCount] {
        try queryPrepared("status-counts", "SELECT type, status, count FROM registry.device_totals", []).map { row in
            StatusCount(type: try row.get(0), status: try row.get(1), count: try row.get(2))
        }
    }

    /// Adds the changes to the counts, in one transaction; done by one replica.
    /// - Returns: how many changes there were.
    func foldCounts() throws -> Int {
        guard try queryPrepared("has-changes", "SELECT EXISTS (SELECT FROM registry.device_count_changes)", [])[0].get(0, as: Bool.self)
        else {
            return 0
        }
        let changes: Int64 = try query(
            """
            WITH gone AS (DELETE FROM registry.device_count_changes RETURNING type, status, change),
            folded AS (SELECT type, status, sum(change)::bigint AS change FROM gone GROUP BY type, status),
            kept AS (INSERT INTO registry.device_counts (type, status, count) SELECT type, status, change FROM folded
                ON CONFLICT (type, status) DO UPDATE SET count = device_counts.count + excluded.count)
            SELECT count(*) FROM gone
            """)[0].get(0)
        return Int(changes)
    }
}
