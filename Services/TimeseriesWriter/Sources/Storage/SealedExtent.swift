import Domain
import PostgresClient

/// What a query has to know of sealing before it begins. Both times only ever rise, so what it says stays true.
struct SealedExtent: Sendable {
    /// More hours than this with late samples, and the query does without states.
    fileprivate static let mostLateHours = 50_000

    /// States are stored of all that is older.
    var sealedBefore: Int64 = .min
    /// What is not older lies in the table of what is not sealed and nowhere else.
    var horizon: Int64 = .min
    /// Of what is older retention may have dropped something.
    var droppedBefore: Int64 = .min
    /// Hours with samples that came late and are not merged yet, by series: states that cover them must not be used.
    var lateHours: [Int32: [Int64]] = [:]
    /// So many hours have late samples that states do not help.
    var isTooLate = false
}

extension SampleReader {
    /// Late hours are looked up before any state is read: what is merged in between is then read from samples all the same.
    func extent(of series: [Int32], from: Int64, to: Int64, withStates: Bool) async throws -> SealedExtent {
        return try await pool.run { connection in
            let state = try SealState.read(connection)
            var extent = SealedExtent(sealedBefore: state.sealedBefore, horizon: state.horizon, droppedBefore: state.droppedBefore)
            guard withStates, from < state.sealedBefore else { return extent }
            // A day is late through any of its hours.
            let (first, end) = (RollupTier.day.start(of: from), min(to + RollupTier.day.width, state.sealedBefore))
            let rows = try connection.query(
                """
                SELECT l.series_id, l.hour FROM (
                    SELECT DISTINCT series_id, date_trunc('hour', time, 'UTC') AS hour FROM timeseries.late_samples
                    WHERE series_id = ANY ($1::int4[]) AND time >= $2 AND time < $3) l
                WHERE EXISTS (SELECT FROM timeseries.sealed s WHERE s.series_id = l.series_id AND s.hour = l.hour)
                    OR NOT EXISTS (SELECT FROM timeseries.rollup_hours h WHERE h.series_id = l.series_id AND h.start = l.hour)
                ORDER BY 1, 2 LIMIT \(SealedExtent.mostLateHours + 1)
                """, [.ids(series), .timestamp(microseconds: first), .timestamp(microseconds: end)])
            guard rows.count <= SealedExtent.mostLateHours else {
                extent.isTooLate = true
                return extent
            }
            for row in rows { extent.lateHours[try row.get(0), default: []].append(try row.microseconds(1)) }
            return extent
        }
    }

    /// Samples that are sealed, by whole days.
    func sealedPoints(of series: [Int32], from: Int64, to: Int64) async throws -> Int64 {
        let parameters: [PostgresValue] = [
            .ids(series), .timestamp(microseconds: RollupTier.day.start(of: from)), .timestamp(microseconds: to),
        ]
        return try await pool.run { connection in
            let rows = try connection.query(
                "SELECT coalesce(sum(count), 0)::int8 FROM timeseries.rollup_days WHERE series_id = ANY ($1) AND start >= $2 AND start < $3",
                parameters)
            return try rows.first?.get(0) ?? 0
        }
    }
}
