import Domain
import JSON

extension Device {
    /// The document that clients see.
    func json(_ presence: Presence) -> JSONValue {
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue?) {
            if let value { members.append(JSONValue.Member(name: name, value: value)) }
        }
        add("id", .string(id.text))
        add("revision", .int(revision))
        add("type", .string(type.text))
        add("lifecycle", .string(lifecycle.rawValue))
        add("status", .string(presence.status.rawValue))
        add("status_since", presence.since.map { .string($0.rfc3339) })
        add("status_version", .int(presence.version))
        add("last_seen", presence.lastSeen.map { .string($0.rfc3339) })
        add("name", name.map { .string($0) })
        add("model", model.map { .string($0) })
        add("firmware", firmware.map { .string($0) })
        add("location", location?.json)
        add("labels", labels.json)
        add("attributes", attributes.json)
        add("facts", facts.json)
        add("parent", parent.map { .string($0.text) })
        add("registered_at", .string(registeredAt.rfc3339))
        add("updated_at", .string(updatedAt.rfc3339))
        add("deleted_at", deletedAt.map { .string($0.rfc3339) })
        return .object(members)
    }
}
