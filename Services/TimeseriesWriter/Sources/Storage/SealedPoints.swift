import Domain
import PostgresClient
import Wire

extension PointQuery {
    /// Chunks looked at by one statement.
    private static let chunksAtOnce = 512

    /// Many series with one statement, out of what is sealed and what came late: of a window that no partition reaches any more.
    /// - Returns: nil when more has come late than belongs into a page.
    func sealedPage(_ reader: SampleReader, at place: SeriesPlace, limit: Int) async throws -> PointPage? {
        let end = min(series.count, place.series + seriesAtOnce)
        let parameters: [PostgresValue] = [
            .ids(series[place.series..<end]), .timestamp(microseconds: from), .timestamp(microseconds: to),
            .timestamp(microseconds: place.time),
        ]
        return try await reader.pool.run { connection in
            // Merging moves late samples into chunks: one snapshot for both statements.
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            let sealed = try readChunks(connection, parameters + [.int64(Int64(limit))], place)
            let otherwise = end < series.count ? SeriesPlace(series: end, time: from) : nil
            let late = try readLate(connection, parameters, place, before: sealed.next, limit: limit)
            try connection.execute("COMMIT")
            guard let late else { return nil }
            return PointPage(rows: Self.merged(sealed.rows, late), next: sealed.next ?? otherwise)
        }
    }

    /// Whole hours, with about as many samples as the limit says.
    private func readChunks(
        _ connection: PostgresConnection, _ parameters: [PostgresValue], _ place: SeriesPlace
    ) throws -> (rows: [PointRow], next: SeriesPlace?) {
        let found = try connection.query(Self.chunkStatement, parameters)
        var (points, chunk) = ([PointRow](), ChunkBuffer())
        var next: SeriesPlace?
        for row in found {
            let (number, hour) = (place.series + (try row.get(0, as: Int.self)) - 1, try row.microseconds(1))
            if row.isNull(2) {
                // The first hour that did not fit.
                next = SeriesPlace(series: number, time: max(hour, from))
                break
            }
            try row.decodeChunk(hour: 1, points: 2, into: &chunk)
            let begin = number == place.series ? max(from, place.time) : from
            chunk.forEach { _, time, quality, value in
                guard time.microseconds >= begin, time.microseconds < to else { return }
                points.append(PointRow(series: number, time: time.microseconds, value: MetricValue(value), quality: quality.rawValue))
            }
        }
        return (points, next)
    }

    /// - Returns: nil when there are more than a page holds.
    private func readLate(
        _ connection: PostgresConnection, _ parameters: [PostgresValue], _ place: SeriesPlace, before next: SeriesPlace?,
        limit: Int
    ) throws -> [PointRow]? {
        let rows = try connection.query(Self.lateStatement, parameters + [.int64(Int64(limit + 1))])
        let points = try rows.map { try PointRow($0, firstSeries: place.series) }
        let inside = points.filter { point in next.map { (point.series, point.time) < ($0.series, $0.time) } ?? true }
        return points.count <= limit || inside.count < points.count ? inside : nil
    }

    /// By series and time; what was sealed came first.
    private static func merged(_ sealed: [PointRow], _ late: [PointRow]) -> [PointRow] {
        if late.isEmpty { return sealed }
        var merged: [PointRow] = []
        merged.reserveCapacity(sealed.count + late.count)
        var next = late.startIndex
        for point in sealed {
            while next < late.endIndex, (late[next].series, late[next].time) < (point.series, point.time) {
                merged.append(late[next])
                next += 1
            }
            merged.append(point)
        }
        return merged + late[next...]
    }

    /// Chunks of whole hours as long as those before them hold less than the limit; the first hour beyond that comes without its points.
    private static let chunkStatement = """
        SELECT n, hour, CASE WHEN earlier < $5 AND position <= \(chunksAtOnce) THEN points END
        FROM (
            SELECT n, hour, part, points, dense_rank() OVER (ORDER BY n, hour) AS position,
                coalesce(sum(count) OVER (ORDER BY n, hour RANGE UNBOUNDED PRECEDING EXCLUDE GROUP), 0) AS earlier
            FROM (
                SELECT l.n, s.hour, s.part, s.count, s.points FROM unnest($1::int4[]) WITH ORDINALITY AS l (id, n)
                CROSS JOIN LATERAL (
                    SELECT hour, part, count, points FROM timeseries.sealed
                    WHERE series_id = l.id AND hour > $2::timestamptz - interval '1 hour' AND hour < $3
                        AND hour > CASE WHEN l.n = 1 THEN $4::timestamptz ELSE $2 END - interval '1 hour'
                    ORDER BY hour, part) s
                ORDER BY l.n, s.hour, s.part LIMIT \(chunksAtOnce * 4)) AS found) AS counted
        ORDER BY n, hour, part
        """

    private static let lateStatement = """
        SELECT l.n, s.time, s.value_double, s.value_int, s.value_bool, s.value_text, s.quality
        FROM unnest($1::int4[]) WITH ORDINALITY AS l (id, n)
        CROSS JOIN LATERAL (
            SELECT time, arrival, value_double, value_int, value_bool, value_text, quality FROM timeseries.late_samples
            WHERE series_id = l.id AND time >= $2 AND time < $3 AND time >= CASE WHEN l.n = 1 THEN $4 ELSE $2 END
            ORDER BY time, arrival) s
        ORDER BY l.n, s.time, s.arrival LIMIT $5
        """
}
