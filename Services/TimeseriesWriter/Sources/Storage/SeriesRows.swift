import Domain
import PostgresClient
import Wire

/// Samples, mostly of one series, one array per column: half the cost of a row for each sample, for the server as for this side.
struct SeriesRows {
    /// Of the samples in the order in which they come. The columns of rarer types hold only what is NULL in the ones before.
    static let columns = """
        array_agg(time), array_agg(quality), array_agg(value_double), array_agg(value_int) FILTER (WHERE value_double IS NULL), \
        array_agg(value_bool) FILTER (WHERE value_double IS NULL AND value_int IS NULL), \
        array_agg(value_text) FILTER (WHERE value_double IS NULL AND value_int IS NULL)
        """

    /// The number that the samples are grouped by; 0 when they are of many series.
    let series: Int32
    private let isOfMany: Bool
    /// Of the last row that was read, and how many of those before it share it.
    private(set) var time = Int64.min
    private(set) var sameTime: Int64 = 0
    private var times: PostgresArrayReader
    private var qualities: PostgresArrayReader
    private var doubles: PostgresArrayReader
    private var ints: PostgresArrayReader
    private var bools: PostgresArrayReader
    private var texts: PostgresArrayReader

    /// - Parameters:
    ///   - row: an `int4` that says which series, or what tells it otherwise, then ``columns``.
    ///   - isOfMany: several series, and in no order.
    init(_ row: PostgresRow, isOfMany: Bool = false) throws {
        self.isOfMany = isOfMany
        series = isOfMany ? 0 : try row.get(0)
        times = try row.array(1, of: .timestamptz)
        qualities = try row.array(2, of: .int2)
        doubles = try row.array(3, of: .float8)
        ints = try row.array(4, of: .int8)
        bools = try row.array(5, of: .bool)
        texts = try row.array(6, of: .text)
    }

    var remaining: Int { times.remaining }

    /// - Parameter body: a text is valid inside of it only.
    /// - Returns: false at the end.
    mutating func next(_ body: (_ time: Int64, _ quality: Quality, _ value: ValueRef) throws -> Void) throws -> Bool {
        guard times.remaining > 0 else { return false }
        guard let time = try times.microseconds(), time >= self.time || isOfMany else {
            throw PostgresError(state: .datatypeMismatch, message: "rows of a series came out of order")
        }
        sameTime = time == self.time ? sameTime + 1 : 1
        self.time = time
        let quality = Quality(rawValue: UInt8(truncatingIfNeeded: try qualities.int16() ?? 0))
        try body(time, quality, try value())
        return true
    }

    private mutating func value() throws -> ValueRef {
        if let number = try doubles.double() { return .double(number) }
        if let number = try ints.int64() { return .int(number) }
        let (flag, text) = (try bools.bool(), try texts.bytes())
        if let flag { return .bool(flag) }
        guard let text else { throw PostgresError(state: .datatypeMismatch, message: "a sample has no value in any of its columns") }
        return .string(text)
    }
}
