import Domain
import JSON
import PostgresClient

/// What an export must know before its first row.
struct ExportColumns: Sendable {
    /// Keys that the devices carry, and those that their types give.
    var labels: [String] = []
    var attributes: [String] = []
    var defaults: [RegistryName: LabelSet] = [:]
}

extension DeviceSearch {
    /// - Parameters:
    ///   - withKeys: look through all the devices for keys of labels and attributes.
    ///   - limit: more keys than these are not looked for.
    func exportColumns(_ conditions: [SQLFragment], withKeys: Bool, limit: Int) async throws -> ExportColumns {
        try await database.read { connection in
            var columns = ExportColumns()
            for row in try connection.query("SELECT name, labels::text FROM registry.types WHERE labels <> '{}'") {
                columns.defaults[try row.name(0)] = try LabelSet(try row.json(1) ?? .null)
            }
            guard withKeys else { return columns }
            let given = columns.defaults.values.flatMap { $0.pairs.map(\.key) }
            columns.labels = Set(try connection.keys("d.labels", conditions, limit) + given).sorted()
            columns.attributes = try connection.keys("d.attributes", conditions, limit).sorted()
            return columns
        }
    }
}

extension PostgresConnection {
    fileprivate func keys(_ column: SQLFragment, _ conditions: [SQLFragment], _ limit: Int) throws -> [String] {
        let tables = SQLFragment(trusted: StoredDevice.tables)
        return try query(
            fragment: """
                SELECT DISTINCT k.key FROM \(tables), jsonb_object_keys(\(column)) k(key) WHERE \(SQLFragment.all(conditions))
                LIMIT \(bind: .int64(Int64(limit)))
                """
        ).map { try $0.get(0) }
    }
}
