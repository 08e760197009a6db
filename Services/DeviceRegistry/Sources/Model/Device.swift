import Domain
import JSON

/// A device as the registry knows it.
struct Device: Hashable, Sendable {
    let id: DeviceID
    /// +1 with every accepted change.
    var revision: Int64
    var type: RegistryName
    var lifecycle: Lifecycle
    var name: String?
    var model: String?
    var firmware: String?
    var location: Location?
    var labels: LabelSet
    /// What people and programs keep about it.
    var attributes: FreeDocument
    /// What it reports about itself.
    var facts: FreeDocument
    /// The gateway that it speaks through.
    var parent: DeviceID?
    var registeredAt: Timestamp
    var updatedAt: Timestamp
    /// Set: deleted; the id is not free before the device is purged.
    var deletedAt: Timestamp?

    /// What a client may change, as it stands.
    var draft: DeviceDraft {
        var draft = DeviceDraft(type: type)
        draft.lifecycle = lifecycle
        draft.name = name
        draft.model = model
        draft.firmware = firmware
        draft.location = location
        draft.labels = labels
        draft.attributes = attributes
        draft.parent = parent
        return draft
    }

    /// This device with the draft's values; lifecycle only if the draft names one.
    /// - Throws: `lifecycle_conflict` when its lifecycle cannot go there.
    func applying(_ draft: DeviceDraft) throws(Refusal) -> Device {
        var device = self
        if let lifecycle = draft.lifecycle { device.lifecycle = try next(lifecycle) }
        device.type = draft.type
        device.name = draft.name
        device.model = draft.model
        device.firmware = draft.firmware
        device.location = draft.location
        device.labels = draft.labels
        device.attributes = draft.attributes
        device.parent = draft.parent
        return device
    }

    private func next(_ wanted: Lifecycle) throws(Refusal) -> Lifecycle {
        if lifecycle.successors.contains(wanted) { return wanted }
        throw Refusal(
            .lifecycleConflict, "lifecycle",
            lifecycle == .retired
                ? "device \(id) is retired for good; purge it and register it anew"
                : "device \(id) is \(lifecycle.rawValue) and cannot become \(wanted.rawValue)")
    }

    /// Whether storing `other` in its place would change anything. Texts are compared by their bytes.
    func isSame(as other: Device) -> Bool {
        lifecycle == other.lifecycle && facts.json.bytes == other.facts.json.bytes
            && draft.json.bytes == other.draft.json.bytes
    }
}

/// Whether a device is reached, and since when.
struct Presence: Hashable, Sendable {
    var status: DeviceStatus
    /// Nil when nothing was ever heard of it.
    var since: Timestamp?
    /// Rises by one with every change of the status or the connection.
    var version: Int64 = 0
    /// Nil when it never was.
    var lastSeen: Timestamp?

    static let never = Presence(status: .offline)
}
