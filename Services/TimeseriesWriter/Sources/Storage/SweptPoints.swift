import Domain
import PostgresClient
import Wire

extension PointQuery {
    /// Samples that one statement may bring.
    private static let sweptAtMost = 32_000

    /// Whole series out of what is not sealed, with one pass over the table as it lies: half the server's work of finding each sample by
    /// the index.
    /// - Returns: nil when there are too many samples; texts, which may be long; or several of one moment: the order of their arrival takes
    ///   the index.
    func sweptPage(_ connection: PostgresConnection, at place: SeriesPlace) throws -> PointPage? {
        let end = min(series.count, place.series + seriesPerSweep)
        guard place.time == from, end - place.series > seriesAtOnce else { return nil }
        let ids = series[place.series..<end]
        let found = try connection.query(
            Self.sweep,
            [.ids(ids), .timestamp(microseconds: from), .timestamp(microseconds: to), .int64(Int64(Self.sweptAtMost + 1))])
        guard let row = found.first else { return nil }
        var rows = try SeriesRows(row, isOfMany: true)
        guard rows.remaining <= Self.sweptAtMost else { return nil }
        var spread = try SeriesSpread(row.array(0, of: .int4), ids)
        var points = [PointRow](repeating: PointRow(series: 0, time: 0, value: .bool(false), quality: 0), count: rows.remaining)
        var holdsText = false
        while try rows.next({ time, quality, value in
            if case .string = value { holdsText = true }
            let (index, series) = spread.place()
            points[index] = PointRow(
                series: place.series + series, time: time, value: MetricValue(value), quality: quality.rawValue)
        }) {}
        guard !holdsText else { return nil }
        for range in spread.ranges where !Self.isOrdered(points[range]) {
            points[range].sort { $0.time < $1.time }
            guard Self.isOrdered(points[range]) else { return nil }
        }
        return PointPage(rows: points, next: end < series.count ? SeriesPlace(series: end, time: from) : nil)
    }

    private static func isOrdered(_ points: ArraySlice<PointRow>) -> Bool {
        zip(points, points.dropFirst()).allSatisfy { $0.time < $1.time }
    }

    /// Neither sorted nor grouped: both cost more than the reading.
    private static let sweep = """
        SELECT array_agg(series_id), \(SeriesRows.columns)
        FROM (
            SELECT series_id, time, value_double, value_int, value_bool, left(value_text, 0) AS value_text, quality
            FROM timeseries.samples WHERE series_id = ANY ($1::int4[]) AND time >= $2 AND time < $3 LIMIT $4) AS swept
        """
}
