import Domain
import PostgresClient

/// One of the series that a query covers.
struct QuerySeries: Sendable, Equatable {
    var id: Int32
    var device: String
    var metric: String
    /// Nil when the device gave none.
    var unit: String?
}

/// Which series are meant.
struct SeriesFilter: Sendable {
    var devices: [NamePattern]
    var metrics: [NamePattern]
    /// Empty: series without a unit.
    var unit: String?
}

extension SampleReader {
    /// The series that the filter names, by device, metric and unit.
    /// - Returns: at most `limit` of them, and how many there are.
    func find(_ filter: SeriesFilter, limit: Int) async throws -> (series: [QuerySeries], count: Int) {
        try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT s.id, d.device, s.metric, s.unit, count(*) OVER ()
                FROM timeseries.devices d JOIN timeseries.series s ON s.device_id = d.id
                WHERE \(Self.condition("d.device", filter.devices, 1, 2)) AND \(Self.condition("s.metric", filter.metrics, 3, 4))
                    AND ($5::text IS NULL OR s.unit = $5)
                ORDER BY d.device COLLATE "C", s.metric COLLATE "C", s.unit COLLATE "C" LIMIT $6
                """,
                Self.texts(filter.devices) + Self.texts(filter.metrics)
                    + [filter.unit.map { .text($0) } ?? .null, .int64(Int64(limit))])
            let series = try rows.map { row in
                let unit: String = try row.get(3)
                return QuerySeries(id: try row.get(0), device: try row.get(1), metric: try row.get(2), unit: unit.isEmpty ? nil : unit)
            }
            return (series, try rows.first?.get(4, as: Int.self) ?? 0)
        }
    }

    /// Only what is needed: a list of plain names alone goes over the index. Both parameters are named in any case, to be of a type.
    private static func condition(_ column: String, _ patterns: [NamePattern], _ names: Int, _ likes: Int) -> String {
        let hasNames = patterns.contains { $0.like == nil }
        let hasLikes = patterns.contains { $0.like != nil }
        let either = [hasNames ? "\(column) = ANY($\(names)::text[])" : nil, hasLikes ? "\(column) LIKE ANY($\(likes)::text[])" : nil]
        return "(\(either.compactMap { $0 }.joined(separator: " OR "))) AND $\(names)::text[] IS NOT NULL AND $\(likes)::text[] IS NOT NULL"
    }

    private static func texts(_ patterns: [NamePattern]) -> [PostgresValue] {
        var (names, likes) = (PostgresArray(of: .text), PostgresArray(of: .text))
        for pattern in patterns {
            if let like = pattern.like { likes.append(like) } else { names.append(pattern.text) }
        }
        return [.array(names), .array(likes)]
    }

    /// How many samples that are not sealed lie in a window, by counting in a few of the series, evenly spread over the list. PostgreSQL's
    /// statistics would say nothing of a partition that it has not analysed yet.
    /// - Returns: exact for few series with few samples; where a series has many, what its first ones let expect of the whole window.
    func estimatedPoints(of series: [Int32], from: Int64, to: Int64) async throws -> Int64 {
        let step = max(1, (series.count + Self.seriesCounted - 1) / Self.seriesCounted)
        let probed = stride(from: 0, to: series.count, by: step).map { series[$0] }
        guard !probed.isEmpty else { return 0 }
        let counts = try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT c.count, c.last FROM unnest($1::int4[]) AS l (id)
                CROSS JOIN LATERAL (SELECT count(*), max(time) AS last FROM (
                    SELECT time FROM timeseries.samples
                    WHERE series_id = l.id AND time >= $2 AND time < $3 ORDER BY time LIMIT \(Self.pointsCounted)) AS first) AS c
                """, [.ids(probed), .timestamp(microseconds: from), .timestamp(microseconds: to)])
            return try rows.map { row in
                let count: Int64 = try row.get(0)
                guard count == Self.pointsCounted else { return Double(count) }
                let covered = max(1, try row.microseconds(1) - from)
                return Double(count) * Double(to - from) / Double(covered)
            }
        }
        return Int64(min(1e18, counts.reduce(0, +) / Double(probed.count) * Double(series.count)))
    }

    private static let seriesCounted = 16
    private static let pointsCounted: Int64 = 1_000
}
