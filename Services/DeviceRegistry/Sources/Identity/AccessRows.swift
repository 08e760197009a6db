import Domain
import PostgresClient

/// What the view was made from: everything that was committed up to a moment.
struct AccessPosition: Sendable, Equatable {
    /// The least transaction that still ran at that moment, as the database writes it.
    var transaction: String
    /// Changes of that transaction or a later one that were seen already.
    var seen: Set<Int64>
}

extension PostgresConnection {
    private static let standing = "CASE WHEN deleted_at IS NOT NULL THEN 'deleted' ELSE lifecycle END"
    private static let credentialColumns = "device, id, not_before, not_after"

    /// All devices and credentials, and the place to go on from.
    func accessContent() throws -> (AccessView.AccessContent, AccessPosition) {
        try transaction { connection in
            try connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            // Here all rows are wanted, whatever the session says otherwise.
            try connection.execute("SET LOCAL enable_seqscan = on")
            var content = AccessView.AccessContent()
            try connection.stream("SELECT id, \(Self.standing) FROM registry.devices") { row in
                content.add(try row.get(0), try DeviceAccess.Standing(row, 1))
                return true
            }
            try connection.stream("SELECT \(Self.credentialColumns) FROM registry.credentials WHERE state = 'active'") { row in
                content.add(try ActiveCredential(row), of: try row.get(0))
                return true
            }
            return (content, try connection.accessChanges(after: nil).position)
        }
    }

    /// What became of the devices that changed since, and the place to go on from.
    func accessChanges(since position: AccessPosition) throws -> ([String: DeviceAccess?], AccessPosition) {
        try transaction { connection in
            try connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            let (devices, position) = try connection.accessChanges(after: position)
            guard !devices.isEmpty else { return ([:], position) }
            let ids: [PostgresValue] = [.array(PostgresArray(texts: devices))]
            var changes: [String: DeviceAccess?] = Dictionary(uniqueKeysWithValues: devices.map { ($0, nil) })
            for row in try connection.queryPrepared(
                "access-devices", "SELECT id, \(Self.standing) FROM registry.devices WHERE id = ANY($1)", ids)
            {
                changes[try row.get(0)] = DeviceAccess(standing: try DeviceAccess.Standing(row, 1))
            }
            for row in try connection.queryPrepared(
                "access-credentials",
                "SELECT \(Self.credentialColumns) FROM registry.credentials WHERE device = ANY($1) AND state = 'active'", ids)
            {
                changes[try row.get(0, as: String.self)]??.credentials.append(try ActiveCredential(row))
            }
            return (changes, position)
        }
    }

    /// Devices named by changes that are new. Changes of transactions that end late are found by a later call.
    private func accessChanges(after position: AccessPosition?) throws -> (devices: Set<String>, position: AccessPosition) {
        let next: String = try queryPrepared("access-now", "SELECT pg_snapshot_xmin(pg_current_snapshot())::text")[0].get(0)
        var before = PostgresArray(of: .int8)
        for seq in position?.seen ?? [] { before.append(seq) }
        // Of what was seen the devices are not read again, however long a transaction keeps the place from moving on. Not prepared: only an
        // array that the planner sees is looked up by its hash.
        let rows = try query(
            """
            SELECT seq, transaction >= $2::text::xid8, device FROM registry.access_changes
            LEFT JOIN LATERAL unnest(CASE WHEN seq = ANY($3) THEN '{}' ELSE devices END) device ON true
            WHERE transaction >= $1::text::xid8
            """, [.text(position?.transaction ?? next), .text(next), .array(before)])
        var devices: Set<String> = []
        var seen: Set<Int64> = []
        for row in rows {
            if try row.get(1) { seen.insert(try row.get(0)) }
            if let device: String = try row.optional(2) { devices.insert(device) }
        }
        return (devices, AccessPosition(transaction: next, seen: seen))
    }

    /// Removes changes that every reader has seen: who was away for longer reads everything anew.
    func forgetAccessChanges() throws {
        try query(
            """
            DELETE FROM registry.access_changes WHERE seq IN (
                SELECT seq FROM registry.access_changes WHERE at < now() - interval '1 hour' ORDER BY seq LIMIT 10000
                FOR UPDATE SKIP LOCKED)
            """)
    }
}

extension DeviceAccess.Standing {
    fileprivate init(_ row: PostgresRow, _ column: Int) throws {
        switch try row.get(column, as: String.self) {
        case "provisioned", "active": self = .good
        case "suspended": self = .suspended
        case "deleted": self = .deleted
        // Retired, and whatever came into the table that is not known here: it does not count.
        default: self = .retired
        }
    }
}

extension ActiveCredential {
    fileprivate init(_ row: PostgresRow) throws {
        let text: String = try row.get(1)
        guard let id = CredentialID(text) else { throw StoredRowError(description: "'\(text)' is no credential's id") }
        self.init(id: id, notBefore: try row.microseconds(2), notAfter: row.isNull(3) ? .max : try row.microseconds(3))
    }
}
