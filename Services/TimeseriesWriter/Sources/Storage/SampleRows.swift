import FaultPoints
import PostgresClient

/// Writes the rows of a batch with COPY: into the day partitions, and those older than the horizon into `late_samples`.
struct SampleRows {
    private var order: [Int32] = []

    /// - Parameter horizon: microseconds since the Unix epoch, held by this transaction.
    /// - Returns: how many rows were late.
    mutating func copy(
        _ batch: borrowing RowBatch, seriesIDs: [Int32], horizon: Int64, on connection: PostgresConnection
    ) throws -> Int {
        batch.sortKeptRows(into: &order, seriesIDs: seriesIDs)
        let late = order.reduce(0) { batch.rows[Int($1)].time < horizon ? $0 + 1 : $0 }
        if late < order.count { try copy(batch, into: "samples", seriesIDs, on: connection) { $0.time >= horizon } }
        if late > 0 { try copy(batch, into: "late_samples", seriesIDs, on: connection) { $0.time < horizon } }
        return late
    }

    private func copy(
        _ batch: borrowing RowBatch, into table: String, _ seriesIDs: [Int32], on connection: PostgresConnection,
        where belongs: (RowBatch.Row) -> Bool
    ) throws {
        let rows = batch.rows
        try connection.copyIn(
            "COPY timeseries.\(table) (time, value_double, value_int, series_id, quality, value_bool, value_text) "
                + "FROM STDIN (FORMAT binary)"
        ) { writer in
            faultPoint("writer.copying")
            for number in order {
                let row = rows[Int(number)]
                guard belongs(row) else { continue }
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
}
