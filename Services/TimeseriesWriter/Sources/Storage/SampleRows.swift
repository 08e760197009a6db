import PostgresClient

/// Writes the rows of a batch: COPY into the partitioned table, and the newest of each series into `latest`.
struct SampleRows {
    private var order: [Int32] = []
    private var series = PostgresArray(of: .int4)
    private var times = PostgresArray(of: .timestamptz)
    private var qualities = PostgresArray(of: .int2)
    private var doubles = PostgresArray(of: .float8)
    private var ints = PostgresArray(of: .int8)
    private var bools = PostgresArray(of: .bool)
    private var texts = PostgresArray(of: .text)

    mutating func copy(_ batch: borrowing RowBatch, seriesIDs: [Int32], on connection: PostgresConnection) throws {
        batch.sortKeptRows(into: &order, seriesIDs: seriesIDs)
        guard !order.isEmpty else { return }
        let rows = batch.rows
        try connection.copyIn(
            "COPY timeseries.samples (time, value_double, value_int, series_id, quality, value_bool, value_text) "
                + "FROM STDIN (FORMAT binary)"
        ) { writer in
            for number in order {
                let row = rows[Int(number)]
                writer.beginRow(columns: 7)
                writer.timestamptz(microseconds: row.time)
                if row.kind == .double { writer.float8(Double(bitPattern: row.payload)) } else { writer.null() }
                if row.kind == .int { writer.int8(Int64(bitPattern: row.payload)) } else { writer.null() }
                writer.int4(seriesIDs[Int(row.series)])
                writer.int2(Int16(row.quality))
                if row.kind == .bool { writer.bool(row.payload != 0) } else { writer.null() }
                if row.kind == .text { batch.withText(row) { writer.bytes($0) } } else { writer.null() }
            }
        }
    }

    /// To be called after ``copy(_:seriesIDs:on:)`` of the same batch.
    mutating func upsertLatest(_ batch: borrowing RowBatch, seriesIDs: [Int32], on connection: PostgresConnection) throws {
        guard !order.isEmpty else { return }
        series.removeAll()
        times.removeAll()
        qualities.removeAll()
        doubles.removeAll()
        ints.removeAll()
        bools.removeAll()
        texts.removeAll()
        batch.forEachLatest(order) { row in
            series.append(seriesIDs[Int(row.series)])
            times.append(timestamp: row.time)
            qualities.append(Int16(row.quality))
            if row.kind == .double { doubles.append(Double(bitPattern: row.payload)) } else { doubles.appendNull() }
            if row.kind == .int { ints.append(Int64(bitPattern: row.payload)) } else { ints.appendNull() }
            if row.kind == .bool { bools.append(row.payload != 0) } else { bools.appendNull() }
            if row.kind == .text { batch.withText(row) { texts.append(text: $0) } } else { texts.appendNull() }
        }
        try connection.queryPrepared(
            "upsert_latest", Self.latestSQL,
            [.array(series), .array(times), .array(qualities), .array(doubles), .array(ints), .array(bools), .array(texts)])
    }

    /// At equal times the later arrival stands: a device that sends a correction means it.
    private static let latestSQL = """
        INSERT INTO timeseries.latest AS l (series_id, time, quality, value_double, value_int, value_bool, value_text)
        SELECT * FROM unnest($1::int4[], $2::timestamptz[], $3::int2[], $4::float8[], $5::int8[], $6::bool[], $7::text[])
        ON CONFLICT (series_id) DO UPDATE SET
            time = excluded.time, quality = excluded.quality, value_double = excluded.value_double, value_int = excluded.value_int,
            value_bool = excluded.value_bool, value_text = excluded.value_text
        WHERE excluded.time >= l.time
        """
}
