import Domain
import PostgresClient

/// The rows of a day's partition in order of series and time, page by page. The partition stands still meanwhile.
///
struct PartitionRows {
    /// Rows of one page: what is held in memory.
    static let rowsAtOnce = 10_000

    private let statement: String
    private let rowsAtOnce: Int
    private var place: Place?

    /// Where the next page begins: a time of a series, and how many rows of that time have been read.
    private struct Place {
        var series: Int32
        var time: Int64
        var taken: Int64
    }

    /// - Parameters:
    ///   - table: a partition's name.
    ///   - from: a time that is not after any of its rows'.
    init(of table: String, from: Int64, rowsAtOnce: Int = Self.rowsAtOnce) {
        self.rowsAtOnce = rowsAtOnce
        place = Place(series: .min, time: from, taken: 0)
        statement = """
            SELECT series_id, \(SeriesRows.columns)
            FROM (SELECT series_id, time, quality, value_double, value_int, value_bool, value_text FROM timeseries.\(table)
                WHERE (series_id, time) >= ($1, $2) ORDER BY series_id, time OFFSET $3 LIMIT $4) AS page
            GROUP BY series_id
            """
    }

    /// Settings of a transaction under which a page is read in the order of the index, which keeps rows of one series and time in the order
    /// in which they lie in the table. Sorting would cost as much as everything else together.
    static let planning = """
        SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_hashagg = off; \
        SET LOCAL max_parallel_workers_per_gather = 0
        """

    /// Gives the next page, series after series.
    /// - Returns: false when there is none.
    mutating func readPage(_ connection: PostgresConnection, _ body: (inout SeriesRows) throws -> Void) throws -> Bool {
        guard let begin = place else { return false }
        let found = try connection.query(
            statement,
            [.int32(begin.series), .timestamp(microseconds: begin.time), .int64(begin.taken), .int64(Int64(rowsAtOnce))])
        var count = 0
        for row in found {
            var rows = try SeriesRows(row)
            count += rows.remaining
            try body(&rows)
            guard rows.remaining == 0 else { throw PostgresError(state: .datatypeMismatch, message: "a page was left before its end") }
            let isSame = rows.series == begin.series && rows.time == begin.time
            place = Place(series: rows.series, time: rows.time, taken: rows.sameTime + (isSame ? begin.taken : 0))
        }
        if count < rowsAtOnce { place = nil }
        return true
    }
}
