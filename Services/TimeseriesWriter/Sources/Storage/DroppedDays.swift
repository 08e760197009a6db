import Domain
import PostgresClient

extension SampleReader {
    /// What retention has dropped of that which a plan reads, as long as the days' roll-ups still tell that there was something. It drops
    /// whole UTC days of a series, the oldest first.
    /// - Returns: the instant before which something of one of the series is gone; nil when nothing is.
    func droppedBefore(of series: [Int32], _ stretches: [QueryStretch], _ extent: SealedExtent) async throws -> Int64? {
        let old = stretches.filter { $0.tier != .day && $0.from < min(extent.sealedBefore, extent.droppedBefore) }
        guard !old.isEmpty else { return nil }
        return try await pool.run { connection in
            try old.compactMap { try Self.droppedBefore(of: series, $0, before: extent.sealedBefore, connection) }.max()
        }
    }

    private static func droppedBefore(
        of series: [Int32], _ stretch: QueryStretch, before sealed: Int64, _ connection: PostgresConnection
    ) throws -> Int64? {
        let (table, time) =
            switch stretch.tier {
            case nil: ("sealed", "hour")
            case .minute: ("rollup_minutes", "hour")
            case .hour, .day: ("rollup_hours", "start")
            }
        let first = RollupTier.day.start(of: stretch.from)
        let end = RollupTier.day.start(of: min(stretch.to, sealed) - 1) + RollupTier.day.width
        // Of each series the first day with samples, and the first of its days of which the rows are still there.
        let rows = try connection.query(
            """
            SELECT max(kept.day) FROM unnest($1::int4[]) AS l (id)
            CROSS JOIN LATERAL (
                SELECT start FROM timeseries.rollup_days WHERE series_id = l.id AND start >= $2 AND start < $3 ORDER BY start LIMIT 1) AS d
            CROSS JOIN LATERAL (
                SELECT coalesce((
                    SELECT date_trunc('day', \(time), 'UTC') FROM timeseries.\(table)
                    WHERE series_id = l.id AND \(time) >= d.start AND \(time) < $3 ORDER BY \(time) LIMIT 1), $3) AS day) AS kept
            WHERE kept.day > d.start
            """, [.ids(series), .timestamp(microseconds: first), .timestamp(microseconds: end)])
        guard let row = rows.first, !row.isNull(0) else { return nil }
        return try row.microseconds(0)
    }
}
