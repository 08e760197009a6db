import Domain
import JSON
import PostgresClient

/// How many devices fit, and how they fall into groups.
struct DeviceCount: Sendable {
    struct Group: Sendable {
        /// In the order of the fields; null where a device lacks the field.
        let values: [JSONValue]
        let count: Int64
    }

    let count: Int64
    /// The largest first.
    let groups: [Group]

    /// Devices in groups that are not shown.
    var others: Int64 { count - groups.reduce(0) { $0 + $1.count } }
}

extension DeviceSearch {
    /// - Parameters:
    ///   - conditions: none means all devices.
    ///   - deleted: whether deleted ones are counted.
    ///   - limit: groups that are shown.
    func count(
        _ conditions: [SQLFragment], _ deleted: DeviceConditions.Deleted, by grouping: QueryGrouping, limit: Int
    ) async throws -> DeviceCount {
        let fields = grouping.fields
        let sql =
            deleted == .exclude && conditions.isEmpty && fields.allSatisfy { $0 == .status || $0 == .type }
            ? Self.maintained(fields, limit)
            : Self.counted(conditions + [DeviceConditions.deleted(deleted)].compactMap { $0 }, fields, limit)
        return try await database.read { connection in
            var total: Int64 = 0
            let groups = try connection.query(fragment: sql).map { row in
                total = try row.get(fields.count + 1)
                return DeviceCount.Group(
                    values: try fields.enumerated().map { try Self.value(row, $0.offset, $0.element.kind) },
                    count: try row.get(fields.count))
            }
            return DeviceCount(count: total, groups: groups)
        }
    }

    private static func value(_ row: PostgresRow, _ column: Int, _ kind: QueryField.Kind) throws -> JSONValue {
        guard let text = try row.optional(column, as: String.self) else { return .null }
        switch kind {
        case .json, .integer: return try JSONReader.parse(text)
        case .text, .choice, .time: return .string(text)
        }
    }

    private static func counted(_ conditions: [SQLFragment], _ fields: [QueryField], _ limit: Int) -> SQLFragment {
        let columns = SQLFragment.joined(
            fields.map { $0.kind == .json ? "nullif(\(QuerySQL.column($0)), 'null')::text" : "(\(QuerySQL.column($0)))::text" }, by: ", ")
        let tables = SQLFragment(trusted: StoredDevice.tables)
        return """
            SELECT \(columns), count(*), (sum(count(*)) OVER ())::bigint FROM \(tables)
            WHERE \(SQLFragment.all(conditions)) \(tail(fields.count, limit))
            """
    }

    /// The counts that are kept up to date with every change.
    private static func maintained(_ fields: [QueryField], _ limit: Int) -> SQLFragment {
        let columns = SQLFragment.joined(fields.map { $0 == .status ? "status" : "type" }, by: ", ")
        return
            "SELECT \(columns), sum(count)::bigint, (sum(sum(count)) OVER ())::bigint FROM registry.device_totals \(tail(fields.count, limit))"
    }

    private static func tail(_ fields: Int, _ limit: Int) -> SQLFragment {
        let places = SQLFragment(trusted: (1...fields).map(String.init).joined(separator: ", "))
        let count = SQLFragment(trusted: "\(fields + 1)")
        return "GROUP BY \(places) ORDER BY \(count) DESC, \(places) LIMIT \(bind: .int64(Int64(limit)))"
    }
}
