import Domain
import JSON
import PostgresClient

extension PostgresConnection {
    /// Devices that do not exist yet, by binary COPY.
    /// - Throws: `PostgresError` with `uniqueViolation` when one of them exists after all.
    func copy(_ devices: [Device]) throws {
        let sql = """
            COPY registry.devices (id, revision, type, lifecycle, name, model, firmware, location, labels, attributes, facts, parent,
                registered_at, updated_at) FROM STDIN (FORMAT binary)
            """
        try copyIn(sql) { writer in
            for device in devices {
                writer.beginRow(columns: 14)
                writer.text(device.id.text)
                writer.int8(device.revision)
                writer.text(device.type.text)
                writer.text(device.lifecycle.rawValue)
                for text in [device.name, device.model, device.firmware] { Self.write(text, &writer) }
                Self.write(device.location?.json, &writer)
                for document in [device.labels.json, device.attributes.json, device.facts.json] { Self.write(document, &writer) }
                Self.write(device.parent?.text, &writer)
                writer.timestamptz(microseconds: device.registeredAt.microseconds)
                writer.timestamptz(microseconds: device.updatedAt.microseconds)
            }
        }
    }

    private static func write(_ text: String?, _ writer: inout CopyBinaryWriter) {
        if let text { writer.text(text) } else { writer.null() }
    }

    /// `jsonb_recv` (`src/backend/utils/adt/jsonb.c`): a byte for the version of the format, 1, and the text.
    private static func write(_ document: JSONValue?, _ writer: inout CopyBinaryWriter) {
        guard let document else { return writer.null() }
        ([1] + document.bytes).withUnsafeBytes { writer.bytes($0) }
    }

    /// Devices that exist, as they shall be; facts and times of registration stay.
    func update(_ devices: [Device]) throws {
        var columns = DeviceColumns()
        for device in devices { columns.append(device) }
        try query(
            """
            UPDATE registry.devices d SET revision = r.revision, type = r.type, lifecycle = r.lifecycle, name = r.name, model = r.model,
                firmware = r.firmware, location = r.location::jsonb, labels = r.labels::jsonb, attributes = r.attributes::jsonb,
                parent = r.parent, updated_at = r.updated_at
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::timestamptz[])
                AS r(id, revision, type, lifecycle, name, model, firmware, location, labels, attributes, parent, updated_at)
            WHERE d.id = r.id
            """, columns.parameters)
    }
}

/// Devices turned into one array a column.
private struct DeviceColumns {
    private var texts = [PostgresArray](repeating: PostgresArray(of: .text), count: 10)
    private var revisions = PostgresArray(of: .int8)
    private var updated = PostgresArray(of: .timestamptz)

    mutating func append(_ device: Device) {
        let row: [String?] = [
            device.id.text, device.type.text, device.lifecycle.rawValue, device.name, device.model, device.firmware,
            device.location?.json.text, device.labels.json.text, device.attributes.json.text, device.parent?.text,
        ]
        for (index, text) in row.enumerated() {
            if let text { texts[index].append(text) } else { texts[index].appendNull() }
        }
        revisions.append(device.revision)
        updated.append(timestamp: device.updatedAt.microseconds)
    }

    var parameters: [PostgresValue] {
        [.array(texts[0]), .array(revisions)] + texts.dropFirst().map { .array($0) } + [.array(updated)]
    }
}
