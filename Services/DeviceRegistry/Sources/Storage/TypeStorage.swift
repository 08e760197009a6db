import Domain
import JSON
import PostgresClient

extension DeviceType {
    /// Of `registry.types t`, as `init(_:)` reads them.
    static let columns =
        "t.name, t.revision, t.description, t.heartbeat_seconds, t.range_policy, t.metrics::text, t.labels::text, t.built_in, t.created_at, "
        + "t.updated_at"

    init(_ row: PostgresRow) throws {
        name = try row.name(0)
        revision = try row.get(1)
        let document = JSONValue.object([
            "description": try row.optional(2, as: String.self).map { .string($0) },
            "heartbeat_seconds": .int(try row.get(3)), "range_policy": .string(try row.get(4)), "metrics": try row.json(5),
            "labels": try row.json(6),
        ])
        do {
            profile = try TypeProfile(document, name: name, isWhole: false)
        } catch {
            throw StoredRowError(description: "type \(name) as stored: \(error)")
        }
        isBuiltIn = try row.get(7)
        createdAt = try row.time(8)
        updatedAt = try row.time(9)
    }
}

/// Reads and changes device types, each change in one transaction.
struct TypeStorage: Sendable {
    let database: RegistryDatabase
    let now: @Sendable () -> Timestamp

    func type(_ name: RegistryName) async throws -> DeviceType? {
        try await database.read { try $0.type(name, locking: false) }
    }

    /// By name.
    func types(after: String?, limit: Int) async throws -> [DeviceType] {
        try await database.read { connection in
            try connection.query(
                "SELECT \(DeviceType.columns) FROM registry.types t WHERE $1::text IS NULL OR t.name > $1 ORDER BY t.name LIMIT $2",
                [PostgresValue(after), .int64(Int64(limit))]
            ).map { try DeviceType($0) }
        }
    }

    /// Makes the type or replaces its profile.
    func put(_ name: RegistryName, _ profile: TypeProfile, _ precondition: Precondition, by author: Author) async throws
        -> (type: DeviceType, isNew: Bool)
    {
        try await change(name, precondition, by: author) { _ in profile }
    }

    func patch(_ name: RegistryName, _ patch: JSONValue, _ precondition: Precondition, by author: Author) async throws -> DeviceType {
        try await change(name, precondition, by: author) { existing in
            guard let existing else { throw Self.unknown(name) }
            return try existing.profile.patched(with: patch, name: name)
        }.type
    }

    /// A type that devices are of stays, deleted devices included: they still name it.
    func delete(_ name: RegistryName, _ precondition: Precondition, by author: Author) async throws {
        try await database.change(author) { connection in
            guard let type = try connection.type(name, locking: true) else { throw Self.unknown(name) }
            try precondition.check(type.revision, "type \(name)")
            guard !type.isBuiltIn else { throw Refusal(.typeBuiltIn, "name", "type \(name) comes with the registry and stays") }
            do {
                try connection.query("DELETE FROM registry.types WHERE name = $1", [.text(name.text)])
            } catch let error as PostgresError where error.state == .foreignKeyViolation {
                throw Refusal(.typeInUse, "name", "devices are of type \(name); GET /v1/devices?type=\(name)&deleted=include lists them")
            }
        }
    }

    static func unknown(_ name: RegistryName) -> Refusal { Refusal(.typeUnknown, "name", "there is no device type '\(name)'") }

    private func change(
        _ name: RegistryName, _ precondition: Precondition, by author: Author,
        _ profile: @escaping @Sendable (DeviceType?) throws -> TypeProfile
    ) async throws -> (type: DeviceType, isNew: Bool) {
        let now = now()
        return try await database.change(author) { connection in
            // One at a time: types change rarely, and a new one must not be made twice.
            try connection.execute("SELECT pg_advisory_xact_lock(hashtext('registry.types'), 0)")
            let existing = try connection.type(name, locking: true)
            try precondition.check(existing?.revision, "type \(name)")
            let profile = try profile(existing)
            guard var type = existing else {
                let type = DeviceType(name: name, revision: 1, profile: profile, isBuiltIn: false, createdAt: now, updatedAt: now)
                var action = author
                action.action = "create"
                try connection.tell(action)
                try connection.insert(type)
                return (type, true)
            }
            guard type.profile.json.bytes != profile.json.bytes else { return (type, false) }
            type.profile = profile
            type.revision += 1
            type.updatedAt = now
            try connection.update(type)
            return (type, false)
        }
    }
}

extension PostgresConnection {
    fileprivate func type(_ name: RegistryName, locking: Bool) throws -> DeviceType? {
        let lock = locking ? " FOR NO KEY UPDATE" : ""
        let rows = try query("SELECT \(DeviceType.columns) FROM registry.types t WHERE t.name = $1\(lock)", [.text(name.text)])
        return try rows.first.map { try DeviceType($0) }
    }

    fileprivate func insert(_ type: DeviceType) throws {
        try query(
            """
            INSERT INTO registry.types (name, revision, description, heartbeat_seconds, range_policy, metrics, labels, updated_at, created_at)
            VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $8)
            """, values(type))
    }

    fileprivate func update(_ type: DeviceType) throws {
        try query(
            """
            UPDATE registry.types SET revision = $2, description = $3, heartbeat_seconds = $4, range_policy = $5, metrics = $6::jsonb,
                labels = $7::jsonb, updated_at = $8 WHERE name = $1
            """, values(type))
    }

    private func values(_ type: DeviceType) -> [PostgresValue] {
        let profile = type.profile
        return [
            .text(type.name.text), .int64(type.revision), PostgresValue(profile.description), .int32(Int32(profile.heartbeatSeconds)),
            .text(profile.rangePolicy.rawValue), .text(JSONValue.array(profile.metrics.map(\.json)).text), .text(profile.labels.json.text),
            .timestamp(microseconds: type.updatedAt.microseconds),
        ]
    }
}
