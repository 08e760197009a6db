import Domain
import PostgresClient
import Wire

/// A sample of one of several series.
struct PointRow: Sendable, Equatable {
    /// Place of its series in the list that was asked for.
    var series: Int
    var time: Int64
    var value: MetricValue
    var quality: UInt8
}

/// Where reading goes on: in the list of series, and in time within that series.
struct SeriesPlace: Sendable, Equatable {
    var series: Int
    var time: Int64
}

struct PointPage: Sendable {
    /// By series, then time, then arrival.
    var rows: [PointRow]
    /// Nil at the end.
    var next: SeriesPlace?
}

/// Samples of many series with `from` ≤ time < `to`, in microseconds.
struct PointQuery: Sendable {
    let series: [Int32]
    let from: Int64
    let to: Int64
    let extent: SealedExtent
    /// Series of one statement: it looks at all samples of its series, whatever its limit.
    var seriesAtOnce = 1
    /// Series of one sweep; none unless it is known how many samples they have.
    var seriesPerSweep = 0

    /// The samples from `place` on: about `limit` of them, never only some of those of one moment.
    func page(_ reader: SampleReader, at place: SeriesPlace, limit: Int) async throws -> PointPage {
        if from >= extent.horizon, let page = try await unsealedPage(reader, at: place, limit: limit) { return page }
        if to <= extent.sealedBefore, let page = try await sealedPage(reader, at: place, limit: limit) { return page }
        return try await seriesPage(reader, at: place, limit: limit)
    }

    /// Many series with one statement, out of the table of what is not sealed.
    /// - Returns: nil when part of the window lies before the horizon by now. That is looked at after the rows: it only ever rises, so what
    ///   is not sealed then was not when they were read.
    private func unsealedPage(_ reader: SampleReader, at place: SeriesPlace, limit: Int) async throws -> PointPage? {
        let end = min(series.count, place.series + seriesAtOnce)
        let parameters: [PostgresValue] = [
            .ids(series[place.series..<end]), .timestamp(microseconds: from), .timestamp(microseconds: to),
            .timestamp(microseconds: place.time),
        ]
        return try await reader.pool.run { connection in
            if let swept = try sweptPage(connection, at: place) { return try SealState.read(connection).horizon <= from ? swept : nil }
            var limit = limit
            while true {
                let points = try Self.points(connection.query(Self.statement, parameters + [.int64(Int64(limit))]), place)
                guard try SealState.read(connection).horizon <= from else { return nil }
                let next = end < series.count ? SeriesPlace(series: end, time: from) : nil
                if let page = Self.whole(points, isFull: points.count == limit, otherwise: next) { return page }
                limit *= 2
            }
        }
    }

    /// One series, out of all places where samples may lie.
    private func seriesPage(_ reader: SampleReader, at place: SeriesPlace, limit: Int) async throws -> PointPage {
        var limit = limit
        while true {
            let samples = try await reader.samples(
                of: series[place.series], from: Timestamp(microseconds: place.time), to: Timestamp(microseconds: to), after: nil,
                limit: limit)
            let points = samples.map {
                PointRow(series: place.series, time: $0.key.time.microseconds, value: $0.value, quality: $0.quality.rawValue)
            }
            let next = place.series + 1 < series.count ? SeriesPlace(series: place.series + 1, time: from) : nil
            if let page = Self.whole(points, isFull: points.count == limit, otherwise: next) { return page }
            limit *= 2
        }
    }

    /// Of a full page the last moment is left for the next one: more samples of it may follow.
    /// - Returns: nil when the page holds one moment only.
    private static func whole(_ rows: [PointRow], isFull: Bool, otherwise next: SeriesPlace?) -> PointPage? {
        guard isFull, let last = rows.last else { return PointPage(rows: rows, next: next) }
        let rest = rows.reversed().prefix { $0.series == last.series && $0.time == last.time }.count
        guard rest < rows.count else { return nil }
        return PointPage(rows: rows.dropLast(rest), next: SeriesPlace(series: last.series, time: last.time))
    }

    private static func points(_ found: PostgresResult, _ place: SeriesPlace) throws -> [PointRow] {
        var points: [PointRow] = []
        for row in found {
            var series = try SeriesRows(row)
            let number = place.series + Int(series.series) - 1
            while try series.next({ time, quality, value in
                points.append(PointRow(series: number, time: time, value: MetricValue(value), quality: quality.rawValue))
            }) {}
        }
        return points
    }

    /// The condition with the list's first series leads to the place in the index; those with plain parameters to the partitions.
    private static let statement = """
        SELECT n::int4, \(SeriesRows.columns)
        FROM (
            SELECT l.n, s.time, s.value_double, s.value_int, s.value_bool, s.value_text, s.quality
            FROM unnest($1::int4[]) WITH ORDINALITY AS l (id, n)
            CROSS JOIN LATERAL (
                SELECT time, ctid, value_double, value_int, value_bool, value_text, quality FROM timeseries.samples
                WHERE series_id = l.id AND time >= $2 AND time < $3 AND time >= CASE WHEN l.n = 1 THEN $4 ELSE $2 END
                ORDER BY time, ctid) s
            ORDER BY l.n, s.time, s.ctid LIMIT $5) AS page
        GROUP BY n ORDER BY n
        """
}

extension PointRow {
    init(_ row: PostgresRow, firstSeries: Int) throws {
        series = firstSeries + (try row.get(0, as: Int.self)) - 1
        time = try row.microseconds(1)
        quality = UInt8(truncatingIfNeeded: try row.get(6, as: Int16.self))
        value = try row.value(at: 2)
    }
}
