import Domain
import PostgresClient

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
                SELECT s.id, s.metric, s.unit, l.time, l.quality, l.value_double, l.value_int, l.value_bool, l.value_text
                FROM timeseries.devices d
                LEFT JOIN timeseries.series s ON s.device_id = d.id AND ($2::text IS NULL OR s.metric = $2)
                    AND ($3::text IS NULL OR (s.metric, s.unit) > ($3, $4))
                LEFT JOIN timeseries.latest l ON l.series_id = s.id
                WHERE d.device = $1 ORDER BY s.metric, s.unit LIMIT $5
                """,
                [
                    .text(device.text), metric.map { .text($0) } ?? .null, after.map { .text($0.metric) } ?? .null,
                    after.map { .text($0.unit) } ?? .null, .int64(Int64(limit)),
                ])
            if rows.count == 0 { return nil }
            return try rows.compactMap { row in
                guard let id = try row.optional(0, as: Int32.self) else { return nil }
                let unit: String = try row.get(2)
                return SeriesInfo(
                    id: id, metric: try row.get(1), unit: unit.isEmpty ? nil : unit,
                    latest: row.isNull(3) ? nil : try Self.sample(row, time: 3, quality: 4, value: 5))
            }
        }
    }

    /// Up to `limit` samples of a series with `from` ≤ time < `to`, in order, after `key` when given.
    func samples(
        of series: Int32, from: Timestamp, to: Timestamp, after key: SampleKey?, limit: Int
    ) async throws -> [StoredSample] {
        try await pool.run { connection in
            var parameters: [PostgresValue] = [
                .int32(series), .timestamp(microseconds: max(from, key?.time ?? from).microseconds),
                .timestamp(microseconds: to.microseconds), .int64(Int64(limit)),
            ]
            var condition = ""
            if let key {
                condition = " AND (time > $2 OR ctid > $5)"
                parameters.append(.rowAddress(PostgresRowAddress(block: key.block, line: key.line)))
            }
            // Not prepared: planned with the times at hand, so that only the partitions in question are looked at.
            let rows = try connection.query(
                """
                SELECT time, quality, value_double, value_int, value_bool, value_text, ctid FROM timeseries.samples
                WHERE series_id = $1 AND time >= $2 AND time < $3\(condition) ORDER BY time, ctid LIMIT $4
                """, parameters)
            return try rows.map { row in
                var sample = try Self.sample(row, time: 0, quality: 1, value: 2)
                let address: PostgresRowAddress = try row.get(6)
                (sample.key.block, sample.key.line) = (address.block, address.line)
                return sample
            }
        }
    }

    /// Key of the `limit`-th sample, when more follow it.
    func pageEnd(
        of series: Int32, from: Timestamp, to: Timestamp, after key: SampleKey?, limit: Int
    ) async throws -> SampleKey? {
        let samples = try await samples(of: series, from: from, to: to, after: key, limit: limit + 1)
        return samples.count > limit ? samples[limit - 1].key : nil
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

    /// Columns from `value`: double, int, bool, text.
    private static func sample(_ row: PostgresRow, time: Int, quality: Int, value: Int) throws -> StoredSample {
        let stored: MetricValue =
            if let number = try row.optional(value, as: Double.self) {
                .double(number)
            } else if let number = try row.optional(value + 1, as: Int64.self) {
                .int(number)
            } else if let flag = try row.optional(value + 2, as: Bool.self) {
                .bool(flag)
            } else {
                .string(try row.get(value + 3))
            }
        return StoredSample(
            key: SampleKey(time: Timestamp(microseconds: try row.microseconds(time)), block: 0, line: 0), value: stored,
            quality: Quality(rawValue: UInt8(truncatingIfNeeded: try row.get(quality, as: Int16.self))))
    }
}
