import Domain
import JSON
import PostgresClient

/// Who did what.
struct AuditEntry: Sendable {
    let id: Int64
    let at: Timestamp
    let actor: String
    let action: String
    let kind: String
    let key: String
    let before: JSONValue?
    let after: JSONValue?
    let requestID: String?

    var json: JSONValue {
        .object([
            "id": .int(id), "at": .string(at.rfc3339), "actor": .string(actor), "action": .string(action), "kind": .string(kind),
            "key": .string(key), "before": before, "after": after, "request_id": requestID.map { .string($0) },
        ])
    }
}

/// Which entries are asked for.
struct AuditQuery: Sendable {
    var kind: String?
    var key: String?
    var actor: String?
    var from: Timestamp?
    /// Exclusive.
    var to: Timestamp?
    /// Entries older than this one.
    var before: Int64?

    fileprivate var conditions: [SQLFragment] {
        [
            kind.map { "kind = \(bind: .text($0))" }, key.map { "key = \(bind: .text($0))" }, actor.map { "actor = \(bind: .text($0))" },
            from.map { "at >= \(bind: .timestamp(microseconds: $0.microseconds))" },
            to.map { "at < \(bind: .timestamp(microseconds: $0.microseconds))" }, before.map { "id < \(bind: .int64($0))" },
        ].compactMap { $0 }
    }
}

/// Reads the audit rows that the triggers write.
struct AuditLog: Sendable {
    let database: RegistryDatabase

    /// Newest first.
    func entries(_ query: AuditQuery, limit: Int) async throws -> [AuditEntry] {
        let sql: SQLFragment = """
            SELECT id, at, actor, action, kind, key, before::text, after::text, request_id FROM registry.audit
            WHERE \(SQLFragment.all(query.conditions)) ORDER BY id DESC LIMIT \(bind: .int64(Int64(limit)))
            """
        return try await database.read { connection in
            try connection.query(fragment: sql).map { row in
                AuditEntry(
                    id: try row.get(0), at: try row.time(1), actor: try row.get(2), action: try row.get(3), kind: try row.get(4),
                    key: try row.get(5), before: try row.json(6), after: try row.json(7), requestID: try row.optional(8))
            }
        }
    }
}
