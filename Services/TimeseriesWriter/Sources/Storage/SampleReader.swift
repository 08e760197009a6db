import Domain
import PostgresClient
import Wire

/// One series of a device.
struct SeriesInfo: Sendable, Equatable {
    var id: Int32
    var metric: String
    /// Nil when the device gave none.
    var unit: String?
    /// The sample with the greatest event time.
    var latest: StoredSample?
}

/// What a device's streams have brought, by stream.
struct StreamInfo: Sendable {
    var stream: UInt64
    var ledger: SequenceLedger
    var firstSeen: Timestamp
    var lastSeen: Timestamp
}

/// Answers questions from PostgreSQL over a pool of its own, apart from the writer's connection.
struct SampleReader: Sendable {
    let pool: PostgresPool

    /// The device's series with their latest samples, by metric and unit.
    /// - Parameters:
    ///   - metric: only this metric's.
    ///   - after: metric and unit of the last series of the page before.
    /// - Returns: nil when the device is unknown.
    func series(
        of device: DeviceID, metric: String? = nil, after: (metric: String, unit: String)? = nil, limit: Int
    ) async throws -> [SeriesInfo]? {
        try await pool.run { connection in
            // The device's row comes in any case, so that one round trip tells an unknown device from one without series.
            let rows = try connection.queryPrepared(
                "series",
                """
                SELECT s.id, s.metric, s.unit, l.time, l.quality, l.value_double, l.value_int, l.value_bool, l.value_text, c.hour, c.points
                FROM timeseries.devices d
                LEFT JOIN timeseries.series s ON s.device_id = d.id AND ($2::text IS NULL OR s.metric = $2)
                    AND ($3::text IS NULL OR (s.metric, s.unit) > ($3, $4))
                LEFT JOIN LATERAL timeseries.newest_unsealed(s.id) l ON true
                LEFT JOIN LATERAL (\(Self.newestChunk)) c ON true
                WHERE d.device = $1 ORDER BY s.metric, s.unit LIMIT $5
                """,
                [
                    .text(device.text), metric.map { .text($0) } ?? .null, after.map { .text($0.metric) } ?? .null,
                    after.map { .text($0.unit) } ?? .null, .int64(Int64(limit)),
                ])
            if rows.count == 0 { return nil }
            var chunk = ChunkBuffer()
            return try rows.compactMap { row in
                guard let id = try row.optional(0, as: Int32.self) else { return nil }
                let unit: String = try row.get(2)
                return SeriesInfo(
                    id: id, metric: try row.get(1), unit: unit.isEmpty ? nil : unit,
                    latest: try Self.latest(row, &chunk))
            }
        }
    }

    /// Of series `s`, the last chunk: unless `l` cannot be older than what is sealed, which is so for every series that is alive.
    private static let newestChunk = """
        SELECT hour, points FROM timeseries.sealed
        WHERE series_id = s.id AND (l.time IS NULL OR l.time < (SELECT horizon FROM timeseries.seal_state))
        ORDER BY hour DESC, part DESC LIMIT 1
        """

    private static func latest(_ row: PostgresRow, _ chunk: inout ChunkBuffer) throws -> StoredSample? {
        let open = row.isNull(3) ? nil : try StoredSample(row, time: 3, quality: 4, value: 5)
        guard !row.isNull(9) else { return open }
        try row.decodeChunk(hour: 9, points: 10, into: &chunk)
        var sealed: StoredSample?
        chunk.forEach { index, time, quality, value in
            guard index == chunk.count - 1 else { return }
            sealed = StoredSample(key: SampleKey(time: time, ordinal: 0), value: MetricValue(value), quality: quality)
        }
        // At the same time what is not sealed yet came later.
        guard let open else { return sealed }
        return sealed.map { open.key.time < $0.key.time ? $0 : open } ?? open
    }

    /// The device's streams in the order of their stored ids.
    /// - Returns: nil when the device is unknown.
    func streams(of device: DeviceID, after: UInt64?, limit: Int) async throws -> [StreamInfo]? {
        try await pool.run { connection in
            let rows = try connection.queryPrepared(
                "streams",
                """
                SELECT l.stream, l.first_seen, l.ranges::text, l.floor, l.received, l.duplicates, l.below_floor, l.last_seen
                FROM timeseries.devices d
                LEFT JOIN timeseries.stream_ledger l ON l.device_id = d.id AND ($2::int8 IS NULL OR l.stream > $2)
                WHERE d.device = $1 ORDER BY l.stream LIMIT $3
                """,
                [.text(device.text), after.map { .int64(Int64(bitPattern: $0)) } ?? .null, .int64(Int64(limit))])
            if rows.count == 0 { return nil }
            return try rows.compactMap { row in
                guard let stream = try row.optional(0, as: Int64.self) else { return nil }
                return StreamInfo(
                    stream: UInt64(bitPattern: stream), ledger: try LedgerStorage.ledger(row, maximumRanges: .max),
                    firstSeen: Timestamp(microseconds: try row.microseconds(1)),
                    lastSeen: Timestamp(microseconds: try row.microseconds(7)))
            }
        }
    }

    func isReachable() async throws { try await pool.run { _ = try $0.query("SELECT 1") } }
}
