import Domain
import JSON

/// Devices as rows that an import reads back: what a client may say of a device; its presence stands beside it and is not read.
struct DeviceExport: Sendable {
    let format: BulkFormat
    /// Of CSV.
    let columns: CSVColumns
    /// Default labels by type, which an import would give to a device that lacks them.
    let defaults: [RegistryName: LabelSet]

    /// - Parameters:
    ///   - labels: keys that the devices carry.
    ///   - attributes: names of their attributes.
    init(_ format: BulkFormat, labels: [String], attributes: [String], defaults: [RegistryName: LabelSet]) {
        self.format = format
        self.defaults = defaults
        columns = CSVColumns(
            [.id] + CSVColumns.members.map { .member($0) } + Self.presence.map { .ignored($0) } + Location.members.map { .location($0) }
                + labels.map { .label($0) }
                + attributes.map { .attribute($0) })
    }

    private static let presence = ["status", "last_seen"]

    func head() -> [UInt8] {
        switch format {
        case .csv: columns.header + [0x0D, 0x0A]
        case .json: Array("[\n".utf8)
        case .ndjson: []
        }
    }

    func tail() -> [UInt8] { format == .json ? Array("\n]\n".utf8) : [] }

    /// - Returns: false when the device has a label or an attribute without a column.
    func append(_ device: StoredDevice, isFirst: Bool, to bytes: inout [UInt8]) -> Bool {
        let document = document(device)
        switch format {
        case .csv: return CSVRow.append(document, columns, to: &bytes)
        case .json:
            if !isFirst { bytes.append(contentsOf: ",\n".utf8) }
            document.write(into: &bytes)
        case .ndjson:
            document.write(into: &bytes)
            bytes.append(0x0A)
        }
        return true
    }

    private func document(_ stored: StoredDevice) -> JSONValue {
        let device = stored.device
        var members = [
            JSONValue.Member(name: "id", value: .string(device.id.text)),
            JSONValue.Member(name: "status", value: .string(stored.presence.status.rawValue)),
        ]
        if let seen = stored.presence.lastSeen { members.append(.init(name: "last_seen", value: .string(seen.rfc3339))) }
        for member in device.draft.json.objectValue ?? [] {
            let isLabels = member.name == "labels" && format != .csv
            members.append(isLabels ? .init(name: "labels", value: labels(device)) : member)
        }
        return .object(members)
    }

    /// With a null for every label of the type's that the device does not carry: an empty cell says the same in CSV.
    private func labels(_ device: Device) -> JSONValue {
        let own = device.labels.json.objectValue ?? []
        let missing = defaults[device.type]?.pairs.filter { device.labels.values[$0.key] == nil } ?? []
        return .object(own + missing.map { JSONValue.Member(name: $0.key, value: .null) })
    }
}
