import Domain
import JSON
import PostgresClient

/// What became of a change.
struct DeviceChange: Sendable {
    enum Outcome: String, Sendable { case created, updated, unchanged }

    var stored: StoredDevice
    var outcome: Outcome
}

/// Every way in which one device is changed. Each is one transaction, holding the device's row, so that revisions rise by one and
/// nothing is half-written.
struct DeviceChanges: Sendable {
    let database: RegistryDatabase
    let now: @Sendable () -> Timestamp

    /// Makes the device as the draft says.
    /// - Throws: `Refusal` `already_exists`, `deleted`, `type_unknown`, `parent_unknown`.
    func create(_ id: DeviceID, _ draft: DeviceDraft, by author: Author) async throws -> DeviceChange {
        try await put(id, draft, Precondition(mustBeNew: true), by: author)
    }

    /// Makes or replaces the device.
    func put(_ id: DeviceID, _ draft: DeviceDraft, _ precondition: Precondition, by author: Author) async throws -> DeviceChange {
        let now = now()
        return try await database.change(author) { connection in
            // The row may come into being between the look and the insert: the second look sees it.
            for _ in 0..<2 {
                if let stored = try connection.device(id, locking: true) {
                    try precondition.check(Self.visibleRevision(stored), "device \(id)")
                    return try Self.store(stored, now, connection) { device in
                        try device.applying(try connection.completed(draft, for: id, before: device.parent))
                    }
                }
                try precondition.check(nil, "device \(id)")
                var action = author
                action.action = "create"
                try connection.tell(action)
                let fresh = try Self.fresh(id, try connection.completed(draft, for: id, before: nil), now)
                if try connection.insert(fresh) {
                    return DeviceChange(stored: StoredDevice(device: fresh, presence: .never), outcome: .created)
                }
                try connection.tell(author)
            }
            throw Refusal(.alreadyExists, "id", "device \(id) was made and removed by others meanwhile; try again")
        }
    }

    /// Changes what `patch` (RFC 7396) names.
    func patch(_ id: DeviceID, _ patch: JSONValue, _ precondition: Precondition, by author: Author) async throws -> DeviceChange {
        try await modify(id, precondition, by: author) { device, connection in
            try device.applying(
                try connection.completed(device.draft.patched(with: patch, id: id), for: id, before: device.parent, fill: false))
        }
    }

    /// Changes what the device has reported about itself.
    func patchFacts(_ id: DeviceID, _ patch: JSONValue, _ precondition: Precondition, by author: Author) async throws -> DeviceChange {
        guard patch.objectValue != nil else { throw FieldFault(.wrongType, "body", "must be an object") }
        return try await modify(id, precondition, by: author) { device, _ in
            var device = device
            device.facts = try FreeDocument(device.facts.json.merged(with: patch), at: "facts")
            return device
        }
    }

    func move(_ id: DeviceID, to lifecycle: Lifecycle, _ precondition: Precondition, by author: Author) async throws -> DeviceChange {
        try await modify(id, precondition, by: author) { device, _ in
            var draft = device.draft
            draft.lifecycle = lifecycle
            return try device.applying(draft)
        }
    }

    /// Takes the device away from everyone, keeping its row and its id. Deleting it again changes nothing.
    func delete(_ id: DeviceID, _ precondition: Precondition, by author: Author) async throws {
        let now = now()
        try await database.change(author) { connection in
            guard let stored = try connection.device(id, locking: true) else { throw Self.unknown(id) }
            guard stored.device.deletedAt == nil else { return }
            try precondition.check(stored.device.revision, "device \(id)")
            var device = stored.device
            device.deletedAt = now
            device.updatedAt = now
            device.revision += 1
            try connection.update(device)
        }
    }

    /// Removes a deleted or retired device for good and frees its id.
    func purge(_ id: DeviceID, _ precondition: Precondition, by author: Author) async throws {
        let now = now()
        try await database.change(author) { connection in
            guard let stored = try connection.device(id, locking: true) else { throw Self.unknown(id) }
            try precondition.check(stored.device.revision, "device \(id)")
            if stored.device.deletedAt == nil {
                guard stored.device.lifecycle == .retired else {
                    throw Refusal(.notDeleted, "id", "device \(id) is \(stored.device.lifecycle.rawValue); delete or retire it first")
                }
                var device = stored.device
                (device.deletedAt, device.updatedAt) = (now, now)
                device.revision += 1
                try connection.update(device)
            }
            try connection.remove(id)
        }
    }

    /// Makes the device as the draft says, within an open transaction.
    /// - Throws: `Refusal` as the other `create`.
    static func create(_ id: DeviceID, _ draft: DeviceDraft, at now: Timestamp, _ connection: PostgresConnection) throws -> StoredDevice {
        let stored = try connection.device(id, locking: true)
        try Precondition(mustBeNew: true).check(stored.map { try visibleRevision($0) }, "device \(id)")
        let fresh = try fresh(id, try connection.completed(draft, for: id, before: nil), now)
        guard try connection.insert(fresh) else { throw Refusal(.alreadyExists, "id", "device \(id) was made by others meanwhile") }
        return StoredDevice(device: fresh, presence: .never)
    }

    // MARK: Inside

    static func unknown(_ id: DeviceID) -> Refusal { Refusal(.deviceUnknown, "id", "there is no device \(id)") }

    /// For preconditions: a deleted device still holds its id.
    private static func visibleRevision(_ stored: StoredDevice) throws(Refusal) -> Int64 {
        try live(stored)
        return stored.device.revision
    }

    static func live(_ stored: StoredDevice) throws(Refusal) {
        guard stored.device.deletedAt == nil else {
            throw Refusal(.deleted, "id", "device \(stored.device.id) was deleted; its id is free again once it is purged")
        }
    }

    private func modify(
        _ id: DeviceID, _ precondition: Precondition, by author: Author,
        _ change: @escaping @Sendable (Device, PostgresConnection) throws -> Device
    ) async throws -> DeviceChange {
        let now = now()
        return try await database.change(author) { connection in
            guard let stored = try connection.device(id, locking: true) else { throw Self.unknown(id) }
            try precondition.check(Self.visibleRevision(stored), "device \(id)")
            return try Self.store(stored, now, connection) { try change($0, connection) }
        }
    }

    private static func store(
        _ stored: StoredDevice, _ now: Timestamp, _ connection: PostgresConnection, _ change: (Device) throws -> Device
    ) throws -> DeviceChange {
        var device = try change(stored.device)
        guard !device.isSame(as: stored.device) else { return DeviceChange(stored: stored, outcome: .unchanged) }
        device.revision = stored.device.revision + 1
        device.updatedAt = now
        try connection.update(device)
        return DeviceChange(stored: StoredDevice(device: device, presence: stored.presence), outcome: .updated)
    }

    private static func fresh(_ id: DeviceID, _ draft: DeviceDraft, _ now: Timestamp) throws -> Device {
        let device = Device(
            id: id, revision: 1, type: draft.type, lifecycle: .provisioned, labels: LabelSet(), attributes: FreeDocument(),
            facts: FreeDocument(), registeredAt: now, updatedAt: now)
        return try device.applying(draft)
    }
}

extension PostgresConnection {
    /// The draft with its type's default labels, once type and parent were found to be such as may be named.
    /// - Parameters:
    ///   - before: the parent that the device has.
    ///   - fill: whether default labels are put where the draft has none.
    func completed(_ draft: DeviceDraft, for id: DeviceID, before: DeviceID?, fill: Bool = true) throws -> DeviceDraft {
        let row = try queryPrepared("type-labels", "SELECT labels::text FROM registry.types WHERE name = $1", [.text(draft.type.text)])
            .first
        guard let row else { throw Refusal(.typeUnknown, "type", "there is no device type '\(draft.type)'; GET /v1/types lists them") }
        if let parent = draft.parent, parent != before { try checkParent(parent, of: id) }
        var draft = draft
        if fill { draft.labels = draft.labels.filled(from: try LabelSet(try row.json(0) ?? .null)) }
        return draft
    }

    /// A gateway may stand behind gateways, 16 in a row, never behind itself.
    private func checkParent(_ parent: DeviceID, of id: DeviceID) throws {
        guard parent != id else { throw Refusal(.parentLoop, "parent", "a device is not its own parent") }
        // Two changes at a time could close a loop that neither sees.
        try execute("SELECT pg_advisory_xact_lock(hashtext('registry.parents'), 0)")
        let chain = try query(
            """
            WITH RECURSIVE chain(id, parent, deleted, depth) AS (
                SELECT id, parent, deleted_at IS NOT NULL, 1 FROM registry.devices WHERE id = $1
                UNION ALL SELECT d.id, d.parent, false, chain.depth + 1 FROM chain JOIN registry.devices d ON d.id = chain.parent
                WHERE chain.depth < 17)
            SELECT id, deleted FROM chain ORDER BY depth
            """, [.text(parent.text)])
        guard let first = chain.first, try !first.get(1, as: Bool.self) else {
            throw Refusal(.parentUnknown, "parent", "there is no device \(parent)")
        }
        for row in chain where try row.get(0, as: String.self) == id.text {
            throw Refusal(.parentLoop, "parent", "device \(id) stands above \(parent) already")
        }
        if chain.count > 16 { throw Refusal(.parentLoop, "parent", "more than 16 devices stand above each other") }
    }
}
