import Domain
import PostgresClient

/// The stored state of one stretch of one of several series.
struct StateRow: Sendable {
    /// Place of its series in the list that was asked for.
    var series: Int
    var start: Int64
    var state: RollupState
}

struct StatePage: Sendable {
    /// By series, then start.
    var rows: [StateRow]
    /// Nil at the end.
    var next: SeriesPlace?
}

/// States of many series that begin within `from` ≤ start < `to`, in microseconds; only the fields asked for are read.
struct StateQuery: Sendable {
    let series: [Int32]
    let tier: RollupTier
    let from: Int64
    let to: Int64
    let fields: StateFields

    /// The states from `place` on: about `limit`, minutes in whole hours.
    func page(_ reader: SampleReader, at place: SeriesPlace, limit: Int) async throws -> StatePage {
        let rowLimit = tier == .minute ? limit / 60 + 1 : limit
        // A minute's row is that of its hour.
        let unit = tier == .minute ? RollupTier.hour : tier
        // The statement looks at all rows of its series, whatever its limit: no more of them than fill a page.
        let rowsOfSeries = (to - unit.start(of: from)) / unit.width + 1
        let end = min(series.count, place.series + max(1, rowLimit / Int(clamping: rowsOfSeries)))
        if tier != .minute, place.time == from, end - place.series > 1 { return try await sweptPage(reader, place.series..<end) }
        let parameters: [PostgresValue] = [
            .ids(series[place.series..<end]), .timestamp(microseconds: unit.start(of: from)), .timestamp(microseconds: to),
            .timestamp(microseconds: unit.start(of: place.time)), .int64(Int64(rowLimit)),
        ]
        return try await reader.pool.run { connection in
            let rows = try connection.query(statement, parameters)
            var page = StatePage(rows: [], next: end < series.count ? SeriesPlace(series: end, time: from) : nil)
            page.rows.reserveCapacity(limit)
            let last = tier == .minute ? try appendMinutes(rows, place.series, &page) : try appendStates(rows, place.series, &page)
            if last.count == rowLimit { page.next = SeriesPlace(series: last.series, time: last.start + unit.width) }
            return page
        }
    }

    /// Whole series of a table that has no more rows than a page holds, with one pass over it as it lies, neither sorted nor grouped: less
    /// of the server's work than finding each row by the index.
    private func sweptPage(_ reader: SampleReader, _ range: Range<Int>) async throws -> StatePage {
        let parameters: [PostgresValue] = [
            .ids(series[range]), .timestamp(microseconds: tier.start(of: from)), .timestamp(microseconds: to),
        ]
        return try await reader.pool.run { connection in
            var page = StatePage(rows: [], next: range.upperBound < series.count ? SeriesPlace(series: range.upperBound, time: from) : nil)
            guard let row = try connection.query(sweep, parameters).first else { return page }
            var states = try StateListReader(row, fields, isOfMany: true)
            var spread = try SeriesSpread(row.array(0, of: .int4), series[range])
            let empty = RollupState(count: 0, numbers: 0, sum: nil, squares: 0, least: nil, greatest: nil, first: nil, last: nil)
            page.rows = [StateRow](repeating: StateRow(series: 0, start: 0, state: empty), count: states.remaining)
            while let (start, state) = try states.next() {
                let (index, series) = spread.place()
                page.rows[index] = StateRow(series: range.lowerBound + series, start: start, state: state)
            }
            for range in spread.ranges where !zip(page.rows[range], page.rows[range].dropFirst()).allSatisfy({ $0.start < $1.start }) {
                page.rows[range].sort { $0.start < $1.start }
            }
            return page
        }
    }

    private var sweep: String {
        """
        SELECT array_agg(series_id), \(StateListReader.columns(fields)) FROM timeseries.\(table)
        WHERE series_id = ANY ($1::int4[]) AND start >= $2 AND start < $3
        """
    }

    /// Of hours and days.
    private var table: String { tier == .hour ? "rollup_hours" : "rollup_days" }

    /// How many rows there were, and where the last one lies.
    private typealias Read = (count: Int, series: Int, start: Int64)

    private func appendStates(_ rows: PostgresResult, _ firstSeries: Int, _ page: inout StatePage) throws -> Read {
        for row in rows {
            let number = firstSeries + (try row.get(0, as: Int.self)) - 1
            var states = try StateListReader(row, fields)
            while let (start, state) = try states.next() { page.rows.append(StateRow(series: number, start: start, state: state)) }
        }
        return (page.rows.count, page.rows.last?.series ?? 0, page.rows.last?.start ?? 0)
    }

    private func appendMinutes(_ rows: PostgresResult, _ firstSeries: Int, _ page: inout StatePage) throws -> Read {
        var scratch = MinuteColumns.Scratch()
        var read: Read = (rows.count, 0, 0)
        for row in rows {
            (read.series, read.start) = (firstSeries + (try row.get(0, as: Int.self)) - 1, try row.microseconds(1))
            for minute in try MinuteColumns(row, at: 2).decode(hour: read.start, &scratch) {
                guard minute.start >= from, minute.start < to else { continue }
                page.rows.append(StateRow(series: read.series, start: minute.start, state: minute.state))
            }
        }
        return read
    }

    private var statement: String {
        switch tier {
        case .minute: Self.page(of: "rollup_minutes", "hour", MinuteColumns.names)
        case .hour, .day:
            """
            SELECT n, \(StateListReader.columns(fields))
            FROM (\(Self.page(of: table, "start", fields.columns.joined(separator: ", ")))) AS page
            GROUP BY n ORDER BY n
            """
        }
    }

    /// The condition with the list's first series leads to the place in the index.
    private static func page(of table: String, _ time: String, _ columns: String) -> String {
        """
        SELECT l.n, s.* FROM unnest($1::int4[]) WITH ORDINALITY AS l (id, n)
        CROSS JOIN LATERAL (
            SELECT \(time), \(columns) FROM timeseries.\(table)
            WHERE series_id = l.id AND \(time) >= $2 AND \(time) < $3 AND \(time) >= CASE WHEN l.n = 1 THEN $4 ELSE $2 END
            ORDER BY \(time)) s
        ORDER BY l.n, s.\(time) LIMIT $5
        """
    }
}
