import Domain
import PostgresClient

/// The hours that late samples fall on, as they are stored.
enum LateHours {
    struct Known {
        /// `SeriesChunk`s in order; empty when the hour has none or they have gone.
        var parts: [[UInt8]] = []
        /// Nil when the hour was never sealed or its state has gone.
        var state: RollupState?
        var minutes: MinuteColumns?
    }

    static func load(_ keys: [StretchKey], on connection: PostgresConnection) throws -> [StretchKey: Known] {
        var known: [StretchKey: Known] = [:]
        let (series, starts) = arrays(keys)
        let parts = try connection.query(
            """
            SELECT s.series_id, s.hour, s.points FROM unnest($1::int4[], $2::timestamptz[]) AS k (series_id, hour)
            JOIN timeseries.sealed s ON s.series_id = k.series_id AND s.hour = k.hour ORDER BY s.series_id, s.hour, s.part
            """, [series, starts])
        for row in parts { known[try key(row), default: Known()].parts.append(try row.get(2)) }
        // Only hours without points need the states.
        let (bareSeries, bareStarts) = arrays(keys.filter { known[$0] == nil })
        let states = try connection.query(
            """
            SELECT \(StateColumns.names) FROM timeseries.rollup_hours
            WHERE (series_id, start) IN (SELECT * FROM unnest($1::int4[], $2::timestamptz[]))
            """, [bareSeries, bareStarts])
        for row in states { known[try key(row), default: Known()].state = try StateColumns.read(row).stretch.state }
        let minutes = try connection.query(
            """
            SELECT series_id, hour, \(MinuteColumns.names) FROM timeseries.rollup_minutes
            WHERE (series_id, hour) IN (SELECT * FROM unnest($1::int4[], $2::timestamptz[]))
            """, [bareSeries, bareStarts])
        for row in minutes { known[try key(row), default: Known()].minutes = try MinuteColumns(row, at: 2) }
        return known
    }

    /// Makes room for what the hours become.
    static func delete(_ keys: [StretchKey], on connection: PostgresConnection) throws {
        let (series, starts) = arrays(keys)
        for (table, column) in [("sealed", "hour"), ("rollup_minutes", "hour"), ("rollup_hours", "start")] {
            try connection.query(
                "DELETE FROM timeseries.\(table) WHERE (series_id, \(column)) IN (SELECT * FROM unnest($1::int4[], $2::timestamptz[]))",
                [series, starts])
        }
    }

    static func arrays(_ keys: [StretchKey]) -> (PostgresValue, PostgresValue) {
        var series = PostgresArray(of: .int4)
        var starts = PostgresArray(of: .timestamptz)
        for key in keys {
            series.append(key.series)
            starts.append(timestamp: key.start)
        }
        return (.array(series), .array(starts))
    }

    private static func key(_ row: PostgresRow) throws -> StretchKey { StretchKey(series: try row.get(0), start: try row.microseconds(1)) }
}

/// The days that late samples fall on.
struct LateDays {
    struct Known {
        var state: RollupState?
        /// The stored hours make up the whole day, so that it can be made from them again.
        var isWhole: Bool
    }

    let connection: PostgresConnection

    /// To be called before the hours change.
    func load(_ keys: Set<StretchKey>) throws -> [StretchKey: Known] {
        let (series, starts) = LateHours.arrays(keys.sorted())
        let days = try connection.query(
            """
            SELECT \(StateColumns.names), (
                SELECT COALESCE(sum(h.count), 0)::int8 FROM timeseries.rollup_hours h
                WHERE h.series_id = d.series_id AND h.start >= d.start AND h.start < d.start + interval '24 hours')
            FROM timeseries.rollup_days d WHERE (series_id, start) IN (SELECT * FROM unnest($1::int4[], $2::timestamptz[]))
            """, [series, starts])
        var known = Dictionary(uniqueKeysWithValues: keys.map { ($0, Known(state: nil, isWhole: true)) })
        for row in days {
            let (series, day) = try StateColumns.read(row)
            let inHours: Int64 = try row.get(Int(StateColumns.count))
            known[StretchKey(series: series, start: day.start)] = Known(state: day.state, isWhole: inHours == day.state.count)
        }
        return known
    }

    /// To be called when the hours have changed.
    /// - Parameter late: states of the late samples alone, by day.
    func store(_ known: [StretchKey: Known], late: [StretchKey: RollupBuilder]) throws {
        let (series, starts) = LateHours.arrays(known.keys.sorted())
        var days: [StretchKey: RollupBuilder] = [:]
        let hours = try connection.query(
            """
            SELECT \(StateColumns.names) FROM timeseries.rollup_hours h
            JOIN unnest($1::int4[], $2::timestamptz[]) AS k (of_series, day)
                ON h.series_id = k.of_series AND h.start >= k.day AND h.start < k.day + interval '24 hours'
            ORDER BY series_id, start
            """, [series, starts])
        for row in hours {
            let (series, hour) = try StateColumns.read(row)
            days[StretchKey(series: series, start: RollupTier.day.start(of: hour.start)), default: RollupBuilder()].merge(hour.state)
        }
        try connection.query(
            "DELETE FROM timeseries.rollup_days WHERE (series_id, start) IN (SELECT * FROM unnest($1::int4[], $2::timestamptz[]))",
            [series, starts])
        var rows = SealedRows()
        for (key, day) in known.sorted(by: { $0.key < $1.key }) {
            let state =
                day.isWhole ? days[key]?.finish() : day.state.map { state in late[key].map { state.takingLate($0.finish()) } ?? state }
            if let state { rows.append(key.series, day: Stretch(start: key.start, state: state)) }
        }
        try rows.flush(on: connection)
    }
}

extension MinuteColumns {
    static let names = "count, numbers, sum, squares, min, max, first, last"

    /// - Parameter column: that of `count`.
    init(_ row: PostgresRow, at column: Int) throws {
        self.init(
            count: try row.get(column), numbers: try row.optional(column + 1), sum: try row.optional(column + 2),
            squares: try row.optional(column + 3), least: try row.optional(column + 4), greatest: try row.optional(column + 5),
            first: try row.get(column + 6), last: try row.optional(column + 7))
    }
}
