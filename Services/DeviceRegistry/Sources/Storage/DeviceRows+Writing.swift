import Domain
import JSON
import PostgresClient

extension PostgresConnection {
    /// - Parameter locking: until the end of the transaction nobody else changes the row.
    func device(_ id: DeviceID, locking: Bool = false) throws -> StoredDevice? {
        let sql = "SELECT \(StoredDevice.columns) FROM \(StoredDevice.tables) WHERE d.id = $1"
        let rows =
            locking
            ? try queryPrepared("device-locked", sql + " FOR NO KEY UPDATE OF d", [.text(id.text)])
            : try queryPrepared("device", sql, [.text(id.text)])
        return try rows.first.map { try StoredDevice($0) }
    }

    /// Holds the device still until the end of the transaction: what it is given is counted one after the other, and it is not barred
    /// meanwhile.
    /// - Throws: `Refusal` when it is not there, suspended, retired or deleted.
    func lockUnbarred(_ id: DeviceID) throws {
        guard let stored = try device(id, locking: true) else { throw DeviceChanges.unknown(id) }
        let device = stored.device
        guard device.deletedAt == nil, device.lifecycle != .suspended, device.lifecycle != .retired else {
            let state = device.deletedAt == nil ? device.lifecycle.rawValue : "deleted"
            throw Refusal(.deviceBarred, "id", "device \(id) is \(state); it gets nothing to speak with")
        }
    }

    /// - Returns: false when the id is taken.
    func insert(_ device: Device) throws -> Bool {
        let sql = """
            INSERT INTO registry.devices (id, revision, type, lifecycle, name, model, firmware, location, labels, attributes, facts, parent,
                updated_at, deleted_at, registered_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11::jsonb, $12, $13, $14, $15)
            ON CONFLICT (id) DO NOTHING
            """
        return try explainingReferences {
            try queryPrepared(
                "insert-device", sql, values(device) + [.timestamp(microseconds: device.registeredAt.microseconds)]
            ).affectedRows == 1
        }
    }

    func update(_ device: Device) throws {
        let sql = """
            UPDATE registry.devices SET revision = $2, type = $3, lifecycle = $4, name = $5, model = $6, firmware = $7, location = $8::jsonb,
                labels = $9::jsonb, attributes = $10::jsonb, facts = $11::jsonb, parent = $12, updated_at = $13, deleted_at = $14
            WHERE id = $1
            """
        try explainingReferences { _ = try queryPrepared("update-device", sql, values(device)) }
    }

    func remove(_ id: DeviceID) throws {
        try explainingReferences { _ = try query("DELETE FROM registry.devices WHERE id = $1", [.text(id.text)]) }
    }

    private func values(_ device: Device) -> [PostgresValue] {
        [
            .text(device.id.text), .int64(device.revision), .text(device.type.text), .text(device.lifecycle.rawValue),
            PostgresValue(device.name), PostgresValue(device.model), PostgresValue(device.firmware),
            PostgresValue(device.location?.json.text), .text(device.labels.json.text), .text(device.attributes.json.text),
            .text(device.facts.json.text), PostgresValue(device.parent?.text), .timestamp(microseconds: device.updatedAt.microseconds),
            device.deletedAt.map { .timestamp(microseconds: $0.microseconds) } ?? .null,
        ]
    }

    /// What another transaction took away after it was looked at is told by the foreign keys.
    private func explainingReferences<R>(_ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as PostgresError where error.state == .foreignKeyViolation {
            switch error.constraint {
            case "devices_type_fkey": throw Refusal(.typeUnknown, "type", "the device's type does not exist")
            case "devices_parent_fkey" where error.statement?.hasPrefix("DELETE") == true:
                throw Refusal(.hasChildren, "id", "other devices name it as their parent; move or purge them first")
            case "devices_parent_fkey": throw Refusal(.parentUnknown, "parent", "the device's parent does not exist")
            default: throw error
            }
        }
    }
}
