import Domain
import JSON
import PostgresClient

/// What a list of devices is ordered by; the id decides between equals. A device that lacks the field stands before all others.
struct DeviceSort: Hashable, Sendable {
    let field: QueryField

    static let id = DeviceSort(field: .id)
    /// Labels aside, of which any may be named.
    static let fields = QueryField.withoutPath

    /// Nil for a field whose values have no order among each other.
    init?(_ field: QueryField) {
        guard field.kind != .json else { return nil }
        self.field = field
    }

    private init(field: QueryField) { self.field = field }

    /// The value of a device as its cursor carries it; microseconds for times.
    func text(of stored: StoredDevice) -> String {
        let device = stored.device
        return switch field {
        case .id: device.id.text
        case .name: device.name ?? ""
        case .type: device.type.text
        case .model: device.model ?? ""
        case .firmware: device.firmware ?? ""
        case .parent: device.parent?.text ?? ""
        case .lifecycle: device.lifecycle.rawValue
        case .status: stored.presence.status.rawValue
        case .registeredAt: "\(device.registeredAt.microseconds)"
        case .updatedAt: "\(device.updatedAt.microseconds)"
        case .deletedAt: Self.text(device.deletedAt)
        case .statusSince: Self.text(stored.presence.since)
        case .statusVersion: "\(stored.presence.version)"
        case .lastSeen: Self.text(stored.presence.lastSeen)
        case .revision: "\(device.revision)"
        case .label(let key): device.labels.values[key] ?? ""
        case .location, .attribute, .fact: ""
        }
    }

    /// Empty for a time that a device lacks.
    private static func text(_ time: Timestamp?) -> String { time.map { "\($0.microseconds)" } ?? "" }

    /// Nil when the text is none of `text(of:)`.
    fileprivate func value(_ text: String) -> SQLFragment? {
        switch field.kind {
        case .time where text.isEmpty: "'-infinity'::timestamptz"
        case .time: Int64(text).map { "\(bind: .timestamp(microseconds: $0))" }
        case .integer: Int64(text).map { "\(bind: .int64($0))" }
        case .text, .choice, .json: "\(bind: .text(text))"
        }
    }
}

/// Which devices are asked for. Conditions are over `registry.devices d LEFT JOIN registry.presence p`.
struct DeviceQuery: Sendable {
    struct Place: Sendable {
        /// As `DeviceSort.text(of:)` gives it.
        var value: String
        var id: String
    }

    var conditions: [SQLFragment] = []
    var sort = DeviceSort.id
    var descending = false
    /// The last device of the page before.
    var after: Place?

    /// Nil when `after` does not belong to the order.
    private var whole: SQLFragment? {
        guard let after else { return SQLFragment.all(conditions) }
        guard let value = sort.value(after.value) else { return nil }
        let sign = SQLFragment(trusted: descending ? "<" : ">")
        let behind: SQLFragment =
            sort == .id
            ? "d.id \(sign) \(bind: .text(after.id))"
            : "(\(QuerySQL.filled(sort.field)), d.id) \(sign) (\(value), \(bind: .text(after.id)))"
        return SQLFragment.all(conditions + [behind])
    }

    /// The page's devices are found first, without their presence where nothing asks for it, which the database sees by itself.
    func page(limit: Int) -> SQLFragment? {
        guard let whole else { return nil }
        let direction = SQLFragment(trusted: descending ? "DESC" : "ASC")
        let (columns, tables) = (SQLFragment(trusted: StoredDevice.columns), SQLFragment(trusted: StoredDevice.tables))
        let order: SQLFragment = sort == .id ? "d.id \(direction)" : "\(QuerySQL.filled(sort.field)) \(direction), d.id \(direction)"
        return """
            SELECT \(columns) FROM (SELECT d.* FROM \(tables) WHERE \(whole) ORDER BY \(order) LIMIT \(bind: .int64(Int64(limit)))) d
            LEFT JOIN registry.presence p ON p.device = d.id ORDER BY \(order)
            """
    }
}

/// Reads devices.
struct DeviceSearch: Sendable {
    let database: RegistryDatabase

    func device(_ id: DeviceID) async throws -> StoredDevice? { try await database.read { try $0.device(id) } }

    /// - Returns: nil when the query's place does not belong to its order.
    func page(_ query: DeviceQuery, limit: Int) async throws -> [StoredDevice]? {
        guard let sql = query.page(limit: limit) else { return nil }
        return try await database.read { connection in try connection.query(fragment: sql).map { try StoredDevice($0) } }
    }

    func count(_ conditions: [SQLFragment]) async throws -> Int64 {
        let tables = SQLFragment(trusted: StoredDevice.tables)
        return try await database.read { connection in
            try connection.query(fragment: "SELECT count(*) FROM \(tables) WHERE \(SQLFragment.all(conditions))")[0].get(0)
        }
    }
}
