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

    /// The planner's guess of how many raw samples lie in a window, made from its statistics without looking at a row.
    func estimatedPoints(of series: [Int32], from: Int64, to: Int64) async throws -> Int64 {
        let parameters: [PostgresValue] = [.ids(series), .timestamp(microseconds: from), .timestamp(microseconds: to)]
        return try await pool.run { connection in
            let plan = try connection.query(
                "EXPLAIN SELECT FROM timeseries.samples WHERE series_id = ANY ($1) AND time >= $2 AND time < $3", parameters)
            let first: String = try plan.first?.get(0) ?? ""
            return first.firstRange(of: "rows=").flatMap { Int64(first[$0.upperBound...].prefix { $0.isNumber }) } ?? 0
        }
    }
}
