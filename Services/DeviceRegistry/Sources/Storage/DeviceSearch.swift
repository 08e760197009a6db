import Domain
import JSON
import PostgresClient

/// What a list of devices is ordered by; the id decides between equals.
enum DeviceSort: String, CaseIterable, Sendable {
    case id, name, type, lifecycle, status
    case registeredAt = "registered_at"
    case updatedAt = "updated_at"
    case lastSeen = "last_seen"

    /// Never null, so that a page can go on behind any device.
    fileprivate var expression: SQLFragment {
        switch self {
        case .id: "d.id"
        case .name: "coalesce(d.name, '') COLLATE \"C\""
        case .type: "d.type"
        case .lifecycle: "d.lifecycle"
        case .status: "coalesce(p.status, 'offline')"
        case .registeredAt: "d.registered_at"
        case .updatedAt: "d.updated_at"
        case .lastSeen: "coalesce(p.last_seen, '-infinity')"
        }
    }

    /// The value of a device as its cursor carries it; microseconds for times.
    func text(of stored: StoredDevice) -> String {
        let device = stored.device
        return switch self {
        case .id: device.id.text
        case .name: device.name ?? ""
        case .type: device.type.text
        case .lifecycle: device.lifecycle.rawValue
        case .status: stored.presence.status.rawValue
        case .registeredAt: "\(device.registeredAt.microseconds)"
        case .updatedAt: "\(device.updatedAt.microseconds)"
        case .lastSeen: stored.presence.lastSeen.map { "\($0.microseconds)" } ?? ""
        }
    }

    /// Nil when the text is none of `text(of:)`.
    fileprivate func value(_ text: String) -> SQLFragment? {
        switch self {
        case .registeredAt, .updatedAt: Int64(text).map { "\(bind: .timestamp(microseconds: $0))" }
        case .lastSeen where text.isEmpty: "'-infinity'::timestamptz"
        case .lastSeen: Int64(text).map { "\(bind: .timestamp(microseconds: $0))" }
        default: "\(bind: .text(text))"
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
            ? "d.id \(sign) \(bind: .text(after.id))" : "(\(sort.expression), d.id) \(sign) (\(value), \(bind: .text(after.id)))"
        return SQLFragment.all(conditions + [behind])
    }

    func page(limit: Int) -> SQLFragment? {
        guard let whole else { return nil }
        let direction = SQLFragment(trusted: descending ? "DESC" : "ASC")
        let columns = SQLFragment(trusted: "SELECT \(StoredDevice.columns) FROM \(StoredDevice.tables)")
        let order: SQLFragment = sort == .id ? "d.id \(direction)" : "\(sort.expression) \(direction), d.id \(direction)"
        return "\(columns) WHERE \(whole) ORDER BY \(order) LIMIT \(bind: .int64(Int64(limit)))"
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
