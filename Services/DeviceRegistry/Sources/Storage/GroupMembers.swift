import Domain
import PostgresClient

/// Which devices belong to a group.
struct GroupMembers: Sendable {
    let database: RegistryDatabase

    /// Devices that are in the group, or in one that lies in it.
    static func condition(_ name: RegistryName, recursive: Bool) -> SQLFragment {
        guard recursive else {
            return "d.id IN (SELECT device FROM registry.group_members WHERE group_name = \(bind: .text(name.text)))"
        }
        return """
            d.id IN (WITH RECURSIVE below(name) AS (
                SELECT name FROM registry.groups WHERE name = \(bind: .text(name.text))
                UNION ALL SELECT g.name FROM below JOIN registry.groups g ON g.parent = below.name)
            SELECT m.device FROM below JOIN registry.group_members m ON m.group_name = below.name)
            """
    }

    /// Takes devices in and out of a static group: all of them, or none when one is unknown. Devices that are there, or are not, already
    /// count for nothing.
    /// - Returns: how many came and went.
    func change(_ name: RegistryName, _ change: MemberChange, by author: Author) async throws -> (added: Int, removed: Int) {
        try await database.change(author) { connection in
            guard let group = try GroupStorage.find(name, connection) else { throw GroupStorage.unknown(name) }
            guard group.draft.query == nil else {
                throw Refusal(.groupDynamic, "name", "the members of \(name) are found by its query; none is taken in or out by hand")
            }
            try Self.checkKnown(change.add, connection)
            let added = try connection.query(
                "INSERT INTO registry.group_members (group_name, device) SELECT $1, unnest($2) ON CONFLICT DO NOTHING",
                [.text(name.text), .array(PostgresArray(texts: change.add.map(\.text)))]
            ).affectedRows
            let removed = try connection.query(
                "DELETE FROM registry.group_members WHERE group_name = $1 AND device = ANY($2)",
                [.text(name.text), .array(PostgresArray(texts: change.remove.map(\.text)))]
            ).affectedRows
            return (added, removed)
        }
    }

    private static func checkKnown(_ ids: [DeviceID], _ connection: PostgresConnection) throws {
        let rows = try connection.query(
            """
            SELECT wanted.place - 1 FROM unnest($1) WITH ORDINALITY AS wanted(id, place)
            LEFT JOIN registry.devices d ON d.id = wanted.id AND d.deleted_at IS NULL WHERE d.id IS NULL ORDER BY 1 LIMIT 1
            """, [.array(PostgresArray(texts: ids.map(\.text)))])
        guard let row = rows.first else { return }
        let place: Int = try row.get(0)
        throw Refusal(.deviceUnknown, "add[\(place)]", "there is no device \(ids[place])")
    }
}
