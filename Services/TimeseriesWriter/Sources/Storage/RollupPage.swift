import Domain
import PostgresClient

/// Series and begin of a rolled-up stretch; the order of a page's rows.
struct RollupKey: Sendable, Hashable, Comparable {
    var series: Int32
    var start: Timestamp

    static func < (left: Self, right: Self) -> Bool { (left.series, left.start) < (right.series, right.start) }
}

/// Stored states of several series, and what is to be known before they are used.
struct RollupPage: Sendable {
    /// In order of series and start. Stretches without samples have no row.
    var rows: [(series: Int32, start: Timestamp, state: RollupState)]
    /// Hours with late samples that are not merged yet: states that cover them must not be used, their samples have to be read. Hours
    /// of which only states are left are not named: late samples show there with the next sealing run.
    var dirtyHours: [RollupKey]
    /// What is older is rolled up; what is not has no states.
    var horizon: Timestamp
    /// Nil when the page holds the rest.
    var next: RollupKey?
}

extension SampleReader {
    /// What is older is sealed and rolled up, except late samples.
    func horizon() async throws -> Timestamp {
        try await pool.run { Timestamp(microseconds: try SealState.read($0).sealedBefore) }
    }

    /// States of minutes, hours or days that begin within `from` ≤ start < `to`.
    /// - Parameters:
    ///   - key: `next` of the page before.
    ///   - limit: rows; minutes come in whole hours, so there may be up to 59 more.
    func rollups(
        of series: [Int32], tier: RollupTier, from: Timestamp, to: Timestamp, after key: RollupKey?, limit: Int
    ) async throws -> RollupPage {
        let query = RollupQuery(series: series, tier: tier, from: from, to: to, key: key, limit: max(1, limit))
        return try await pool.run { connection in
            // One snapshot for all statements. It reads no partition: those that sealing drops are outside every snapshot.
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            do {
                let page = try query.run(connection)
                try connection.execute("COMMIT")
                return page
            } catch {
                if connection.isUsable { try connection.execute("ROLLBACK") }
                throw error
            }
        }
    }
}

private struct RollupQuery: Sendable {
    let series: [Int32]
    let tier: RollupTier
    let from: Timestamp
    let to: Timestamp
    let key: RollupKey?
    let limit: Int

    func run(_ connection: PostgresConnection) throws -> RollupPage {
        let state = try SealState.read(connection)
        var page = RollupPage(rows: [], dirtyHours: [], horizon: Timestamp(microseconds: state.sealedBefore), next: nil)
        if tier == .minute { try readMinutes(connection, &page) } else { try readStates(connection, &page) }
        page.dirtyHours = try dirtyHours(connection)
        return page
    }

    private func parameters(from: Int64, _ rows: Int) -> [PostgresValue] {
        var ids = PostgresArray(of: .int4)
        for id in series { ids.append(id) }
        let after = key.map { $0.start.microseconds } ?? from - 1
        return [
            .array(ids), .timestamp(microseconds: from), .timestamp(microseconds: to.microseconds), .int32(key?.series ?? .min),
            .timestamp(microseconds: after), .int64(Int64(rows)),
        ]
    }

    private func readStates(_ connection: PostgresConnection, _ page: inout RollupPage) throws {
        let rows = try connection.query(
            """
            SELECT \(StateColumns.names) FROM timeseries.rollup_\(tier == .hour ? "hours" : "days")
            WHERE series_id = ANY ($1::int4[]) AND start >= $2 AND start < $3 AND (series_id, start) > ($4, $5)
            ORDER BY series_id, start LIMIT $6
            """, parameters(from: from.microseconds, limit))
        page.rows.reserveCapacity(rows.count)
        for row in rows {
            let (series, stretch) = try StateColumns.read(row)
            page.rows.append((series, Timestamp(microseconds: stretch.start), stretch.state))
        }
        if rows.count == limit { page.next = page.rows.last.map { RollupKey(series: $0.series, start: $0.start) } }
    }

    private func readMinutes(_ connection: PostgresConnection, _ page: inout RollupPage) throws {
        let hours = limit / 60 + 1
        let rows = try connection.query(
            """
            SELECT series_id, hour, \(MinuteColumns.names) FROM timeseries.rollup_minutes
            WHERE series_id = ANY ($1::int4[]) AND hour >= $2 AND hour < $3 AND (series_id, hour) > ($4, $5)
            ORDER BY series_id, hour LIMIT $6
            """, parameters(from: RollupTier.hour.start(of: from.microseconds), hours))
        var scratch = MinuteColumns.Scratch()
        for row in rows {
            let (series, hour): (Int32, Int64) = (try row.get(0), try row.microseconds(1))
            for minute in try MinuteColumns(row, at: 2).decode(hour: hour, &scratch) {
                let start = Timestamp(microseconds: minute.start)
                if start >= from, start < to { page.rows.append((series, start, minute.state)) }
            }
            if rows.count == hours { page.next = RollupKey(series: series, start: Timestamp(microseconds: hour)) }
        }
    }

    /// Of the whole range asked for, not only of the page: a day is dirty through any of its hours.
    private func dirtyHours(_ connection: PostgresConnection) throws -> [RollupKey] {
        let end = to.microseconds + tier.width
        let rows = try connection.query(
            """
            SELECT l.series_id, l.hour FROM (
                SELECT DISTINCT series_id, date_trunc('hour', time, 'UTC') AS hour FROM timeseries.late_samples
                WHERE series_id = ANY ($1::int4[]) AND time >= $2 AND time < $3) l
            WHERE EXISTS (SELECT FROM timeseries.sealed s WHERE s.series_id = l.series_id AND s.hour = l.hour)
                OR NOT EXISTS (SELECT FROM timeseries.rollup_hours h WHERE h.series_id = l.series_id AND h.start = l.hour)
            ORDER BY 1, 2
            """, Array(parameters(from: RollupTier.day.start(of: from.microseconds), 0).prefix(2)) + [.timestamp(microseconds: end)])
        return try rows.map { RollupKey(series: try $0.get(0), start: Timestamp(microseconds: try $0.microseconds(1))) }
    }
}
