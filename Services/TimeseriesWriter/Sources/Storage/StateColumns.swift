import Domain
import PostgresClient

/// A state as the columns of `rollup_hours` and `rollup_days`.
enum StateColumns {
    /// In the order of writing and reading.
    static let names = """
        series_id, start, count, numbers, squares, sum_double, sum_int, min_double, min_int, max_double, max_int, \
        first_double, first_int, first_bool, first_text, last_double, last_int, last_bool, last_text
        """
    static let count: Int16 = 19

    static func write(_ series: Int32, _ stretch: Stretch, to writer: inout CopyBinaryWriter) {
        let state = stretch.state
        writer.beginRow(columns: count)
        writer.int4(series)
        writer.timestamptz(microseconds: stretch.start)
        writer.int8(state.count)
        writer.int8(state.numbers)
        writer.float8(state.squares)
        for number in [state.sum, state.least, state.greatest] { writeNumber(number, to: &writer) }
        for value in [state.first, state.last] {
            writeNumber(value, to: &writer)
            if let flag = value?.bool { writer.bool(flag) } else { writer.null() }
            if let text = value?.string { writer.text(text) } else { writer.null() }
        }
    }

    private static func writeNumber(_ value: MetricValue?, to writer: inout CopyBinaryWriter) {
        if let number = value?.double { writer.float8(number) } else { writer.null() }
        if let number = value?.int { writer.int8(number) } else { writer.null() }
    }

    static func read(_ row: PostgresRow) throws -> (series: Int32, stretch: Stretch) {
        let state = RollupState(
            count: try row.get(2), numbers: try row.get(3), sum: try row.number(at: 5), squares: try row.get(4),
            least: try row.number(at: 7), greatest: try row.number(at: 9), first: try row.optionalValue(at: 11),
            last: try row.optionalValue(at: 15))
        return (try row.get(0), Stretch(start: try row.microseconds(1), state: state))
    }
}
