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
    /// Series of one statement.
    private static let seriesAtOnce = 1_000

    let series: [Int32]
    let tier: RollupTier
    let from: Int64
    let to: Int64
    let fields: StateFields

    /// The states from `place` on: about `limit`, minutes in whole hours.
    func page(_ reader: SampleReader, at place: SeriesPlace, limit: Int) async throws -> StatePage {
        let end = min(series.count, place.series + Self.seriesAtOnce)
        let rowLimit = tier == .minute ? limit / 60 + 1 : limit
        // A minute's row is that of its hour.
        let unit = tier == .minute ? RollupTier.hour : tier
        let parameters: [PostgresValue] = [
            .ids(series[place.series..<end]), .timestamp(microseconds: unit.start(of: from)), .timestamp(microseconds: to),
            .timestamp(microseconds: unit.start(of: place.time)), .int64(Int64(rowLimit)),
        ]
        return try await reader.pool.run { connection in
            let rows = try connection.query(statement, parameters)
            var page = StatePage(rows: [], next: end < series.count ? SeriesPlace(series: end, time: from) : nil)
            page.rows.reserveCapacity(rows.count)
            if tier == .minute {
                try appendMinutes(rows, place.series, &page)
            } else {
                for row in rows { page.rows.append(try state(row, place.series)) }
            }
            if rows.count == rowLimit {
                let last = rows[rows.count - 1]
                page.next = SeriesPlace(series: place.series + (try last.get(0)) - 1, time: try last.microseconds(1) + unit.width)
            }
            return page
        }
    }

    private func state(_ row: PostgresRow, _ firstSeries: Int) throws -> StateRow {
        var reader = FieldReader(row: row)
        let count: Int64 = try row.get(2)
        let hasNumbers = fields.contains(.sum)
        let state = RollupState(
            count: count, numbers: hasNumbers ? try reader.int() : 0, sum: hasNumbers ? try reader.number() : nil,
            squares: fields.contains(.squares) ? try reader.double() : 0, least: fields.contains(.least) ? try reader.number() : nil,
            greatest: fields.contains(.greatest) ? try reader.number() : nil, first: fields.contains(.first) ? try reader.value() : nil,
            last: fields.contains(.last) ? try reader.value() : nil)
        return StateRow(series: firstSeries + (try row.get(0)) - 1, start: try row.microseconds(1), state: state)
    }

    private func appendMinutes(_ rows: PostgresResult, _ firstSeries: Int, _ page: inout StatePage) throws {
        var scratch = MinuteColumns.Scratch()
        for row in rows {
            let number = firstSeries + (try row.get(0, as: Int.self)) - 1
            for minute in try MinuteColumns(row, at: 2).decode(hour: try row.microseconds(1), &scratch) {
                guard minute.start >= from, minute.start < to else { continue }
                page.rows.append(StateRow(series: number, start: minute.start, state: minute.state))
            }
        }
    }

    /// The condition with the list's first series leads to the place in the index.
    private var statement: String {
        let (table, time, columns) =
            switch tier {
            case .minute: ("rollup_minutes", "hour", MinuteColumns.names)
            case .hour: ("rollup_hours", "start", fields.columns)
            case .day: ("rollup_days", "start", fields.columns)
            }
        return """
            SELECT l.n, s.* FROM unnest($1::int4[]) WITH ORDINALITY AS l (id, n)
            CROSS JOIN LATERAL (
                SELECT \(time), \(columns) FROM timeseries.\(table)
                WHERE series_id = l.id AND \(time) >= $2 AND \(time) < $3 AND \(time) >= CASE WHEN l.n = 1 THEN $4 ELSE $2 END
                ORDER BY \(time)) s
            ORDER BY l.n, s.\(time) LIMIT $5
            """
    }

    /// Takes the columns one after the other.
    private struct FieldReader {
        let row: PostgresRow
        var column = 3

        mutating func int() throws -> Int64 {
            defer { column += 1 }
            return try row.get(column)
        }

        mutating func double() throws -> Double {
            defer { column += 1 }
            return try row.get(column)
        }

        mutating func number() throws -> MetricValue? {
            defer { column += 2 }
            return try row.number(at: column)
        }

        mutating func value() throws -> MetricValue? {
            defer { column += 4 }
            return try row.optionalValue(at: column)
        }
    }
}

extension StateFields {
    /// Columns of the tables of hours and days, in the order in which they are read.
    fileprivate var columns: String {
        var names = ["count"]
        if contains(.sum) { names += ["numbers", "sum_double", "sum_int"] }
        if contains(.squares) { names.append("squares") }
        if contains(.least) { names += ["min_double", "min_int"] }
        if contains(.greatest) { names += ["max_double", "max_int"] }
        for (field, name) in [(StateFields.first, "first"), (.last, "last")] where contains(field) {
            names += ["_double", "_int", "_bool", "_text"].map { name + $0 }
        }
        return names.joined(separator: ", ")
    }
}
