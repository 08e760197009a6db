import Domain
import JSON
import PostgresClient

/// Reads and changes groups, each change in one transaction. Groups are a tree: changes of it are made one at a time.
struct GroupStorage: Sendable {
    let database: RegistryDatabase
    let now: @Sendable () -> Timestamp

    private static let columns = "name, revision, description, parent, query, created_at, updated_at"

    func group(_ name: RegistryName) async throws -> DeviceGroup? { try await database.read { try Self.find(name, $0) } }

    /// By name.
    /// - Parameter parent: only the groups that lie in this one directly.
    func groups(in parent: RegistryName?, after: String?, limit: Int) async throws -> [DeviceGroup] {
        try await database.read { connection in
            try connection.query(
                """
                SELECT \(Self.columns) FROM registry.groups WHERE ($1::text IS NULL OR name > $1) AND ($2::text IS NULL OR parent = $2)
                ORDER BY name LIMIT $3
                """, [PostgresValue(after), PostgresValue(parent?.text), .int64(Int64(limit))]
            ).map(Self.group)
        }
    }

    /// The queries of a group and of all that lie in it.
    func queries(from name: RegistryName) async throws -> [String] {
        try await database.read { connection in
            try connection.query(
                """
                WITH RECURSIVE below(name, query) AS (
                    SELECT name, query FROM registry.groups WHERE name = $1
                    UNION ALL SELECT g.name, g.query FROM below JOIN registry.groups g ON g.parent = below.name)
                SELECT query FROM below WHERE query IS NOT NULL ORDER BY name
                """, [.text(name.text)]
            ).map { try $0.get(0) }
        }
    }

    /// Makes the group or replaces what a client may write of it.
    func put(_ name: RegistryName, _ draft: GroupDraft, _ precondition: Precondition, by author: Author) async throws
        -> (group: DeviceGroup, isNew: Bool)
    {
        let now = now()
        return try await database.change(author) { connection in
            try connection.execute("SELECT pg_advisory_xact_lock(hashtext('registry.groups'), 0)")
            let existing = try Self.find(name, connection)
            try precondition.check(existing?.revision, "group \(name)")
            if let parent = draft.parent, parent != existing?.draft.parent { try Self.check(parent, above: name, connection) }
            guard var group = existing else {
                let group = DeviceGroup(name: name, revision: 1, draft: draft, createdAt: now, updatedAt: now)
                var action = author
                action.action = "create"
                try connection.tell(action)
                try Self.insert(group, connection)
                return (group, true)
            }
            guard group.draft != draft else { return (group, false) }
            if draft.query != nil, group.draft.query == nil, try Self.hasMembers(name, connection) {
                throw Refusal(.groupInUse, "query", "group \(name) has members of its own; take them out before it becomes a dynamic one")
            }
            group.draft = draft
            group.revision += 1
            group.updatedAt = now
            try Self.update(group, connection)
            return (group, false)
        }
    }

    /// A group in which others lie stays.
    func delete(_ name: RegistryName, _ precondition: Precondition, by author: Author) async throws {
        try await database.change(author) { connection in
            try connection.execute("SELECT pg_advisory_xact_lock(hashtext('registry.groups'), 0)")
            guard let group = try Self.find(name, connection) else { throw Self.unknown(name) }
            try precondition.check(group.revision, "group \(name)")
            do {
                try connection.query("DELETE FROM registry.groups WHERE name = $1", [.text(name.text)])
            } catch let error as PostgresError where error.state == .foreignKeyViolation {
                throw Refusal(.groupInUse, "name", "other groups lie in \(name); move or delete them first")
            }
        }
    }

    static func unknown(_ name: RegistryName) -> Refusal { Refusal(.groupUnknown, "name", "there is no group '\(name)'") }

    // MARK: Inside

    static func find(_ name: RegistryName, _ connection: PostgresConnection) throws -> DeviceGroup? {
        try connection.query("SELECT \(columns) FROM registry.groups WHERE name = $1", [.text(name.text)]).first.map(group)
    }

    private static func group(_ row: PostgresRow) throws -> DeviceGroup {
        var draft = GroupDraft()
        draft.description = try row.optional(2)
        draft.parent = row.isNull(3) ? nil : try row.name(3)
        draft.query = try row.optional(4)
        return DeviceGroup(
            name: try row.name(0), revision: try row.get(1), draft: draft, createdAt: try row.time(5), updatedAt: try row.time(6))
    }

    /// The tree has no loop and at most 16 levels, below the moved group included.
    private static func check(_ parent: RegistryName, above name: RegistryName, _ connection: PostgresConnection) throws {
        guard parent != name else { throw Refusal(.parentLoop, "parent", "a group does not lie in itself") }
        let row = try connection.query(
            """
            WITH RECURSIVE up(name, parent, depth) AS (
                SELECT name, parent, 1 FROM registry.groups WHERE name = $1
                UNION ALL SELECT g.name, g.parent, up.depth + 1 FROM up JOIN registry.groups g ON g.name = up.parent WHERE up.depth < 17),
            down(name, depth) AS (
                SELECT $2::text COLLATE "C", 1
                UNION ALL SELECT g.name, down.depth + 1 FROM down JOIN registry.groups g ON g.parent = down.name WHERE down.depth < 17)
            SELECT coalesce((SELECT max(depth) FROM up), 0), coalesce((SELECT max(depth) FROM down), 0),
                EXISTS (SELECT FROM up WHERE name = $2)
            """, [.text(parent.text), .text(name.text)])[0]
        let above: Int = try row.get(0)
        guard above > 0 else { throw Refusal(.parentUnknown, "parent", "there is no group '\(parent)'") }
        guard try !row.get(2, as: Bool.self) else { throw Refusal(.parentLoop, "parent", "group \(parent) lies in \(name) already") }
        guard above + (try row.get(1, as: Int.self)) <= GroupDraft.maximumDepth else {
            throw Refusal(.parentLoop, "parent", "groups lie in each other \(GroupDraft.maximumDepth) deep at most")
        }
    }

    private static func hasMembers(_ name: RegistryName, _ connection: PostgresConnection) throws -> Bool {
        try connection.query("SELECT EXISTS (SELECT FROM registry.group_members WHERE group_name = $1)", [.text(name.text)])[0].get(0)
    }

    private static func insert(_ group: DeviceGroup, _ connection: PostgresConnection) throws {
        try connection.query(
            """
            INSERT INTO registry.groups (name, revision, description, parent, query, updated_at, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $6)
            """, values(group))
    }

    private static func update(_ group: DeviceGroup, _ connection: PostgresConnection) throws {
        try connection.query(
            "UPDATE registry.groups SET revision = $2, description = $3, parent = $4, query = $5, updated_at = $6 WHERE name = $1",
            values(group))
    }

    private static func values(_ group: DeviceGroup) -> [PostgresValue] {
        [
            .text(group.name.text), .int64(group.revision), PostgresValue(group.draft.description), PostgresValue(group.draft.parent?.text),
            PostgresValue(group.draft.query), .timestamp(microseconds: group.updatedAt.microseconds),
        ]
    }
}
