import Domain
import JSON

/// What a client may write of a group.
struct GroupDraft: Hashable, Sendable {
    static let maximumDepth = 16
    static let maximumQueryBytes = 4_096
    static let members = ["description", "parent", "query"]
    static let readOnly = ["revision", "created_at", "updated_at"]

    var description: String?
    /// The group that it lies in.
    var parent: RegistryName?
    /// A dynamic group, whose members are the devices that fit. Nil: a static one, whose members are named.
    var query: String?

    init() {}

    /// - Parameter name: of the group; a member `name` must be equal.
    init(_ value: JSONValue, name: RegistryName) throws(FieldFault) {
        let reader = try ObjectReader(value, known: ["name"] + Self.members + Self.readOnly)
        if let given = reader.value("name"), try RegistryName(given, at: "name") != name {
            throw FieldFault(.invalidValue, "name", "is not that of the path; a group's name never changes")
        }
        description = try reader.text("description", maximumBytes: 1_024)
        if let value = reader.value("parent") { parent = try RegistryName(value, at: "parent") }
        query = try reader.text("query", maximumBytes: Self.maximumQueryBytes)
    }
}

/// A group of devices as the registry knows it.
struct DeviceGroup: Hashable, Sendable {
    let name: RegistryName
    var revision: Int64
    var draft: GroupDraft
    var createdAt: Timestamp
    var updatedAt: Timestamp

    /// The document that clients see.
    var json: JSONValue {
        .object([
            "name": .string(name.text), "revision": .int(revision), "description": draft.description.map { .string($0) },
            "parent": draft.parent.map { .string($0.text) }, "query": draft.query.map { .string($0) },
            "created_at": .string(createdAt.rfc3339), "updated_at": .string(updatedAt.rfc3339),
        ])
    }
}

/// Devices to take into a group and out of it, in one call.
struct MemberChange: Hashable, Sendable {
    static let maximumCount = 1_000

    var add: [DeviceID]
    var remove: [DeviceID]

    init(_ value: JSONValue) throws(FieldFault) {
        let reader = try ObjectReader(value, known: ["add", "remove"])
        add = try Self.ids(reader, "add")
        remove = try Self.ids(reader, "remove")
        guard add.count + remove.count <= Self.maximumCount else {
            throw FieldFault(.tooMany, "body", "names \(add.count + remove.count) devices, at most \(Self.maximumCount) are allowed")
        }
    }

    private static func ids(_ reader: ObjectReader, _ name: String) throws(FieldFault) -> [DeviceID] {
        guard let value = reader.value(name) else { return [] }
        guard let values = value.arrayValue else { throw FieldFault(.wrongType, name, "must be an array of device ids") }
        var ids: [DeviceID] = []
        for (index, value) in values.enumerated() {
            guard case .string(let text) = value else { throw FieldFault(.wrongType, "\(name)[\(index)]", "must be a string") }
            do throws(DomainError) { ids.append(try DeviceID(text)) } catch {
                throw FieldFault(.invalidValue, "\(name)[\(index)]", "is no device id: \(error.reason)")
            }
        }
        return ids
    }
}
