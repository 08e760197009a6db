import Domain
import JSON
import PostgresClient

/// A device with its presence, as stored.
struct StoredDevice: Hashable, Sendable {
    var device: Device
    var presence: Presence

    var json: JSONValue { device.json(presence) }

    /// Of `registry.devices d LEFT JOIN registry.presence p`, as `init(_:)` reads them.
    static let columns = """
        d.id, d.revision, d.type, d.lifecycle, d.name, d.model, d.firmware, d.location::text, d.labels::text, d.attributes::text,
        d.facts::text, d.parent, d.registered_at, d.updated_at, d.deleted_at, p.status, p.since, p.version, p.last_seen
        """
    static let tables = "registry.devices d LEFT JOIN registry.presence p ON p.device = d.id"

    init(device: Device, presence: Presence) {
        self.device = device
        self.presence = presence
    }

    init(_ row: PostgresRow) throws {
        do {
            device = Device(
                id: try DeviceID(row.get(0)), revision: try row.get(1), type: try row.name(2), lifecycle: try row.choice(3),
                name: try row.optional(4), model: try row.optional(5), firmware: try row.optional(6),
                location: try row.json(7).map { try Location($0) }, labels: try LabelSet(try row.json(8) ?? .null),
                attributes: try FreeDocument(try row.json(9) ?? .null, at: "attributes"),
                facts: try FreeDocument(try row.json(10) ?? .null, at: "facts"),
                parent: try row.optional(11, as: String.self).map { try DeviceID($0) }, registeredAt: try row.time(12),
                updatedAt: try row.time(13), deletedAt: row.isNull(14) ? nil : try row.time(14))
            presence = row.isNull(15) ? .never : try Presence(row)
        } catch let error as PostgresError {
            throw error
        } catch {
            throw StoredRowError(description: "device \((try? row.get(0, as: String.self)) ?? "?") as stored: \(error)")
        }
    }
}

extension Presence {
    fileprivate init(_ row: PostgresRow) throws {
        status = try row.choice(15)
        since = try row.time(16)
        version = try row.get(17)
        lastSeen = row.isNull(18) ? nil : try row.time(18)
    }
}

extension PostgresRow {
    func time(_ column: Int) throws(PostgresError) -> Timestamp { Timestamp(microseconds: try microseconds(column)) }

    func json(_ column: Int) throws -> JSONValue? { try optional(column, as: String.self).map { try JSONReader.parse($0) } }

    func name(_ column: Int) throws -> RegistryName {
        let text: String = try get(column)
        guard let name = RegistryName(text) else { throw StoredRowError(description: "'\(text)' is no name") }
        return name
    }

    func choice<Choice: RawRepresentable>(_ column: Int, as type: Choice.Type = Choice.self) throws -> Choice
    where Choice.RawValue == String {
        let text: String = try get(column)
        guard let choice = Choice(rawValue: text) else { throw StoredRowError(description: "'\(text)' is none of the known words") }
        return choice
    }
}
