import Domain
import PostgresClient

/// States, mostly of one series, one array per column of `rollup_hours` or `rollup_days`.
struct StateListReader {
    private let fields: StateFields
    private var starts: PostgresArrayReader
    private var columns: [PostgresArrayReader]
    /// Of several series, and in no order.
    private let isOfMany: Bool
    /// The column that is read next.
    private var column = 0
    private var before = Int64.min

    /// What a statement that groups by series selects behind the series.
    static func columns(_ fields: StateFields) -> String {
        (["start"] + fields.columns).map { "array_agg(\($0))" }.joined(separator: ", ")
    }

    /// - Parameter row: something that says which series, then ``columns(_:)``.
    init(_ row: PostgresRow, _ fields: StateFields, isOfMany: Bool = false) throws {
        (self.fields, self.isOfMany) = (fields, isOfMany)
        starts = try row.array(1, of: .timestamptz)
        columns = try fields.columns.enumerated().map { try row.array($0.offset + 2, of: Self.type(ofColumn: $0.element)) }
    }

    private static func type(ofColumn name: String) -> PostgresType {
        if name == "squares" || name.hasSuffix("_double") { return .float8 }
        if name.hasSuffix("_bool") { return .bool }
        return name.hasSuffix("_text") ? .text : .int8
    }

    var remaining: Int { starts.remaining }

    /// Nil at the end.
    mutating func next() throws -> (start: Int64, state: RollupState)? {
        guard starts.remaining > 0 else { return nil }
        guard let start = try starts.microseconds(), start > before || isOfMany else { throw Self.broken }
        (column, before) = (0, start)
        let count = try int()
        let hasNumbers = fields.contains(.sum)
        let state = RollupState(
            count: count, numbers: hasNumbers ? try int() : 0, sum: hasNumbers ? try number() : nil,
            squares: fields.contains(.squares) ? try double() : 0, least: fields.contains(.least) ? try number() : nil,
            greatest: fields.contains(.greatest) ? try number() : nil, first: fields.contains(.first) ? try value() : nil,
            last: fields.contains(.last) ? try value() : nil)
        return (start, state)
    }

    private static var broken: PostgresError {
        PostgresError(state: .datatypeMismatch, message: "states of a series came out of order, or one lacks its start or its count")
    }

    private mutating func int() throws -> Int64 {
        defer { column += 1 }
        guard let number = try columns[column].int64() else { throw Self.broken }
        return number
    }

    private mutating func double() throws -> Double {
        defer { column += 1 }
        guard let number = try columns[column].double() else { throw Self.broken }
        return number
    }

    private mutating func number() throws -> MetricValue? {
        defer { column += 2 }
        let (double, int) = (try columns[column].double(), try columns[column + 1].int64())
        return double.map { .double($0) } ?? int.map { .int($0) }
    }

    private mutating func value() throws -> MetricValue? {
        let number = try number()
        defer { column += 2 }
        let (flag, text) = (try columns[column].bool(), try columns[column + 1].bytes())
        return number ?? flag.map { .bool($0) } ?? text.map { .string(String(decoding: $0, as: UTF8.self)) }
    }
}

extension StateFields {
    /// Columns of the tables of hours and days, in the order in which they are read.
    var columns: [String] {
        var names = ["count"]
        if contains(.sum) { names += ["numbers", "sum_double", "sum_int"] }
        if contains(.squares) { names.append("squares") }
        if contains(.least) { names += ["min_double", "min_int"] }
        if contains(.greatest) { names += ["max_double", "max_int"] }
        for (field, name) in [(StateFields.first, "first"), (.last, "last")] where contains(field) {
            names += ["_double", "_int", "_bool", "_text"].map { name + $0 }
        }
        return names
    }
}
