import Domain
import PostgresClient

extension PostgresRow {
    /// The number in two columns, double and int; nil when both are NULL.
    func number(at column: Int) throws -> MetricValue? {
        if let number = try optional(column, as: Double.self) { return .double(number) }
        return try optional(column + 1, as: Int64.self).map { .int($0) }
    }

    /// The value in four columns, double, int, bool and text, of which one at most is not NULL; nil when all are.
    func optionalValue(at column: Int) throws -> MetricValue? {
        if let number = try number(at: column) { return number }
        if let flag = try optional(column + 2, as: Bool.self) { return .bool(flag) }
        return try optional(column + 3, as: String.self).map { .string($0) }
    }

    /// As ``optionalValue(at:)``, of a row that holds one.
    func value(at column: Int) throws -> MetricValue { try optionalValue(at: column) ?? .string(get(column + 3)) }
}

extension PostgresValue {
    static func ids(_ ids: some Sequence<Int32>) -> PostgresValue {
        var array = PostgresArray(of: .int4)
        for id in ids { array.append(id) }
        return .array(array)
    }
}
