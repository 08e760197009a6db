import Domain
import JSON
import PostgresClient

/// The part of presence that an operator sets. It touches neither the device's document nor its revision; the audit log has it.
struct Maintenance: Sendable {
    let database: RegistryDatabase
    let now: @Sendable () -> Timestamp

    /// Does nothing when it is so already.
    /// - Throws: `Refusal` `device_unknown`, `deleted`.
    func set(_ begins: Bool, of id: DeviceID, by author: Author) async throws -> StoredDevice {
        let now = now()
        return try await database.change(author) { connection in
            guard let stored = try connection.device(id, locking: true) else { throw DeviceChanges.unknown(id) }
            try DeviceChanges.live(stored)
            let isChanged = begins ? try connection.startMaintenance(of: id, now) : try connection.endMaintenance(of: id, now)
            guard isChanged, let after = try connection.device(id) else { return stored }
            try connection.audit(id, before: stored.presence.status, after: after.presence.status)
            return after
        }
    }
}

extension PostgresConnection {
    fileprivate func startMaintenance(of id: DeviceID, _ now: Timestamp) throws -> Bool {
        try query(
            """
            INSERT INTO registry.presence AS p (device, status, maintenance_since, version, since) VALUES ($1, 'maintenance', $2, 1, $2)
            ON CONFLICT (device) DO UPDATE SET status = 'maintenance', maintenance_since = $2, version = p.version + 1, since = $2
            WHERE p.maintenance_since IS NULL
            """, [.text(id.text), .timestamp(microseconds: now.microseconds)]
        ).affectedRows == 1
    }

    fileprivate func endMaintenance(of id: DeviceID, _ now: Timestamp) throws -> Bool {
        try query(
            """
            UPDATE registry.presence SET status = reached, maintenance_since = NULL, version = version + 1, since = $2
            WHERE device = $1 AND maintenance_since IS NOT NULL
            """, [.text(id.text), .timestamp(microseconds: now.microseconds)]
        ).affectedRows == 1
    }

    /// By the author whom the transaction was told.
    fileprivate func audit(_ id: DeviceID, before: DeviceStatus, after: DeviceStatus) throws {
        try query(
            """
            INSERT INTO registry.audit (actor, action, kind, key, before, after, request_id)
            VALUES (registry.setting('registry.actor', session_user), registry.setting('registry.action', 'update'), 'device', $1,
                jsonb_build_object('status', $2::text), jsonb_build_object('status', $3::text),
                nullif(current_setting('registry.request', true), ''))
            """, [.text(id.text), .text(before.rawValue), .text(after.rawValue)])
    }
}
