import Domain
import JSON

/// What a client may say of a device: everything but what the registry and the device itself keep.
struct DeviceDraft: Hashable, Sendable {
    var type: RegistryName
    /// Nil leaves it as it is; a new device is then `provisioned`.
    var lifecycle: Lifecycle?
    var name: String?
    var model: String?
    var firmware: String?
    var location: Location?
    var labels = LabelSet()
    var attributes = FreeDocument()
    var parent: DeviceID?

    /// Members of the document that a client writes, in the order in which they are shown.
    static let members = ["type", "lifecycle", "name", "model", "firmware", "location", "labels", "attributes", "parent"]
    /// Members that the registry keeps.
    static let readOnly = [
        "revision", "status", "status_since", "status_version", "last_seen", "facts", "registered_at", "updated_at", "deleted_at",
    ]

    init(type: RegistryName) { self.type = type }

    /// - Parameters:
    ///   - id: of the device, when it is known: a member `id` must then be equal.
    ///   - isWhole: the document is one that may have been read from the registry, so what the registry keeps may stand in it and is not
    ///     read.
    init(_ value: JSONValue, id: DeviceID?, isWhole: Bool) throws(FieldFault) {
        let reader = try ObjectReader(
            value, known: ["id"] + Self.members + (isWhole ? Self.readOnly : []), readOnly: Self.readOnly)
        if let id, let given = try reader.deviceID("id"), given != id {
            throw FieldFault(.invalidValue, "id", "is '\(given)', but the path says '\(id)'; a device's id never changes")
        }
        type = try RegistryName(try reader.required("type"), at: "type")
        lifecycle = try reader.choice("lifecycle")
        name = try reader.text("name", maximumBytes: 256)
        model = try reader.text("model", maximumBytes: 128)
        firmware = try reader.text("firmware", maximumBytes: 128)
        if let value = reader.value("location") { location = try Location(value) }
        if let value = reader.value("labels") { labels = try LabelSet(value) }
        if let value = reader.value("attributes") { attributes = try FreeDocument(value, at: "attributes") }
        parent = try reader.deviceID("parent")
    }

    /// Id of a document that carries it.
    static func id(of value: JSONValue) throws(FieldFault) -> DeviceID {
        let names = value.objectValue?.map(\.name) ?? []
        let reader = try ObjectReader(value, known: names)
        _ = try reader.required("id")
        guard let id = try reader.deviceID("id") else { throw FieldFault(.missingMember, "id", "is missing") }
        return id
    }

    /// The document that a merge patch is applied to.
    var json: JSONValue {
        .object([
            "type": .string(type.text), "lifecycle": lifecycle.map { .string($0.rawValue) }, "name": name.map { .string($0) },
            "model": model.map { .string($0) }, "firmware": firmware.map { .string($0) }, "location": location?.json, "labels": labels.json,
            "attributes": attributes.json, "parent": parent.map { .string($0.text) },
        ])
    }

    /// This draft changed by a merge patch (RFC 7396).
    func patched(with patch: JSONValue, id: DeviceID) throws(FieldFault) -> DeviceDraft {
        guard patch.objectValue != nil else { throw FieldFault(.wrongType, "body", "must be an object") }
        // Removing a member that is not there changes nothing, so names are checked before they are merged.
        _ = try ObjectReader(patch, known: ["id"] + Self.members, readOnly: Self.readOnly)
        var draft = try DeviceDraft(json.merged(with: patch), id: id, isWhole: false)
        draft.lifecycle = draft.lifecycle ?? lifecycle
        return draft
    }
}
