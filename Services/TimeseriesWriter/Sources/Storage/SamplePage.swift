import Domain
import PostgresClient
import Wire

extension SampleReader {
    /// Up to `limit` samples of a series with `from` ≤ time < `to`, in order, after `key` when given.
    func samples(
        of series: Int32, from: Timestamp, to: Timestamp, after key: SampleKey?, limit: Int
    ) async throws -> [StoredSample] {
        try await pool.run { connection in
            guard let key, key.ordinal > SamplePage.countedAtMost else {
                return try SamplePage(series: series, from: max(from, key?.time ?? from), to: to, after: key, limit: limit).read(connection)
            }
            // First what is left of the key's time, however much lies there, so that a made-up number costs no more than that.
            let next = Timestamp(microseconds: key.time.microseconds + 1)
            let rest = try SamplePage(series: series, from: max(from, key.time), to: min(to, next), after: key, limit: limit).read(
                connection)
            guard rest.count < limit else { return rest }
            return try rest
                + SamplePage(series: series, from: max(from, next), to: to, after: nil, limit: limit - rest.count).read(connection)
        }
    }

    /// Key of the `limit`-th sample, when more follow it.
    func pageEnd(
        of series: Int32, from: Timestamp, to: Timestamp, after key: SampleKey?, limit: Int
    ) async throws -> SampleKey? {
        let samples = try await samples(of: series, from: from, to: to, after: key, limit: limit + 1)
        return samples.count > limit ? samples[limit - 1].key : nil
    }
}

/// One page of a series. Each statement is one snapshot of all places where samples lie, so that each sample is seen once, whatever sealing
/// does meanwhile: it drops a partition in the transaction that writes the sealed hours.
private struct SamplePage {
    static let countedAtMost: UInt32 = 10_000
    /// Hours of one statement.
    private static let hoursAtFirst = 24
    private static let hoursAtMost = 64

    let series: Int32
    let from: Timestamp
    let to: Timestamp
    let after: SampleKey?
    let limit: Int

    func read(_ connection: PostgresConnection) throws -> [StoredSample] {
        var (page, from, key, hours) = ([StoredSample](), from, after, Self.hoursAtFirst)
        var chunk = ChunkBuffer()
        while true {
            // Those at the key's time are read again, to be counted.
            let rows = limit - page.count + (key.map { Int($0.ordinal) + 1 } ?? 0)
            let part = try read(connection, from: from, rows: rows, hours: hours, &chunk)
            page += SampleMerge.merge(part.sources, after: key, limit: limit - page.count)
            guard page.count < limit, part.until < to else { return page }
            // Everything before `until` has been seen; it is an hour's begin.
            (from, key) = (part.until, nil)
            let perHour = max(1, part.sources[0].count / hours)
            hours = min(Self.hoursAtMost, (limit - page.count) / perHour + 1)
        }
    }

    /// - Returns: samples in order, sealed, raw and late: complete before `until`, unless a source has `rows` samples.
    private func read(
        _ connection: PostgresConnection, from: Timestamp, rows: Int, hours: Int, _ chunk: inout ChunkBuffer
    ) throws -> (sources: [[StoredSample]], until: Timestamp) {
        // Not prepared: planned with the times at hand, so that only the partitions in question are looked at.
        let found = try connection.query(
            Self.statement,
            [
                .int32(series), .timestamp(microseconds: from.microseconds), .timestamp(microseconds: to.microseconds),
                .int64(Int64(rows)), .timestamp(microseconds: RollupTier.hour.start(of: from.microseconds)), .int64(Int64(hours)),
            ])
        var (sources, until) = ([[StoredSample]](repeating: [], count: 3), to)
        for row in found {
            let kind: Int = try row.get(0)
            switch kind {
            case 0 where sources[0].count < rows:
                try row.decodeChunk(hour: 1, points: 7, into: &chunk)
                chunk.forEach { _, time, quality, value in
                    guard time >= from, time < to, sources[0].count < rows else { return }
                    sources[0].append(
                        StoredSample(key: SampleKey(time: time, ordinal: 0), value: MetricValue(value), quality: quality))
                }
            case 1, 2: sources[kind].append(try StoredSample(row, time: 1, quality: 2, value: 3))
            case 3: until = Timestamp(microseconds: try row.microseconds(1))
            default: break
            }
        }
        return (sources, until)
    }

    private static let statement = """
        WITH hours AS MATERIALIZED (
            SELECT hour FROM timeseries.sealed WHERE series_id = $1 AND hour >= $5 AND hour < $3 ORDER BY hour LIMIT $6
        ), bound AS MATERIALIZED (
            SELECT CASE WHEN count(*) < $6 THEN $3::timestamptz ELSE LEAST(max(hour) + interval '1 hour', $3) END AS until FROM hours
        )
        SELECT 3, until, NULL::int2, NULL::float8, NULL::int8, NULL::bool, NULL::text, NULL::bytea FROM bound
        UNION ALL
        (SELECT 0, hour, NULL, NULL, NULL, NULL, NULL, points FROM timeseries.sealed
            WHERE series_id = $1 AND hour >= $5 AND hour < (SELECT until FROM bound) ORDER BY hour, part)
        UNION ALL
        (SELECT 1, time, quality, value_double, value_int, value_bool, value_text, NULL FROM timeseries.samples
            WHERE series_id = $1 AND time >= $2 AND time < $3 AND time < (SELECT until FROM bound) ORDER BY time, ctid LIMIT $4)
        UNION ALL
        (SELECT 2, time, quality, value_double, value_int, value_bool, value_text, NULL FROM timeseries.late_samples
            WHERE series_id = $1 AND time >= $2 AND time < $3 AND time < (SELECT until FROM bound) ORDER BY time, arrival LIMIT $4)
        """
}

extension PostgresRow {
    /// Decodes a row of `sealed`.
    func decodeChunk(hour: Int, points: Int, into chunk: inout ChunkBuffer) throws {
        let base = Timestamp(microseconds: try microseconds(hour))
        try withBytes(points) { bytes in
            guard let bytes else { throw PostgresError(state: .datatypeMismatch, message: "a sealed hour has no points") }
            try SeriesChunkCodec.decode(bytes, base: base, into: &chunk)
        }
    }
}

extension StoredSample {
    /// Columns from `value`: double, int, bool, text. The sample's number among those of its time is not in the row.
    init(_ row: PostgresRow, time: Int, quality: Int, value: Int) throws {
        self.init(
            key: SampleKey(time: Timestamp(microseconds: try row.microseconds(time)), ordinal: 0), value: try row.value(at: value),
            quality: Quality(rawValue: UInt8(truncatingIfNeeded: try row.get(quality, as: Int16.self))))
    }
}
