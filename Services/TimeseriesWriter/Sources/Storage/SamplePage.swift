import Domain
import PostgresClient

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
            let rest = try SamplePage(series: series, from: key.time, to: min(to, next), after: key, limit: limit).read(connection)
            guard rest.count < limit else { return rest }
            return try rest + SamplePage(series: series, from: next, to: to, after: nil, limit: limit - rest.count).read(connection)
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

/// One page of a series, read with one statement: one snapshot of all places where samples lie, so that each is seen once, whatever
/// sealing does meanwhile.
private struct SamplePage {
    static let countedAtMost: UInt32 = 10_000

    let series: Int32
    let from: Timestamp
    let to: Timestamp
    let after: SampleKey?
    let limit: Int

    func read(_ connection: PostgresConnection) throws -> [StoredSample] {
        // Those at the key's time are read again, to be counted.
        let rows = limit + (after.map { Int($0.ordinal) + 1 } ?? 0)
        // Not prepared: planned with the times at hand, so that only the partitions in question are looked at.
        let found = try connection.query(
            Self.statement,
            [
                .int32(series), .timestamp(microseconds: from.microseconds), .timestamp(microseconds: to.microseconds),
                .int64(Int64(rows)),
            ])
        var sources: [[StoredSample]] = [[], []]
        for row in found { sources[try row.get(0, as: Int.self)].append(try StoredSample(row, time: 1, quality: 2, value: 3)) }
        return SampleMerge.merge(sources, after: after, limit: limit)
    }

    private static let statement = """
        (SELECT 0, time, quality, value_double, value_int, value_bool, value_text FROM timeseries.samples
            WHERE series_id = $1 AND time >= $2 AND time < $3 ORDER BY time, ctid LIMIT $4)
        UNION ALL
        (SELECT 1, time, quality, value_double, value_int, value_bool, value_text FROM timeseries.late_samples
            WHERE series_id = $1 AND time >= $2 AND time < $3 ORDER BY time, arrival LIMIT $4)
        """
}

extension StoredSample {
    /// Columns from `value`: double, int, bool, text. The sample's number among those of its time is not in the row.
    init(_ row: PostgresRow, time: Int, quality: Int, value: Int) throws {
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
        self.init(
            key: SampleKey(time: Timestamp(microseconds: try row.microseconds(time)), ordinal: 0), value: stored,
            quality: Quality(rawValue: UInt8(truncatingIfNeeded: try row.get(quality, as: Int16.self))))
    }
}
