internal import DeviceJSON
internal import Domain
internal import Wire

extension DeviceEvent.Kind {
    init(_ kind: DeviceStatus.Kind) {
        switch kind {
        case .online: self = .online
        case .offline: self = .offline
        case .error: self = .error
        case .other(let name): self = .other(name)
        }
    }

    /// Metric label: a bounded set.
    var label: String { if case .other = self { "other" } else { name } }
    static let labels = ["online", "offline", "error", "other"]
}

extension DeviceEvent {
    init(_ status: DeviceStatus, device: DeviceID, ingestTime: Timestamp) {
        self.init(
            device: device, kind: Kind(status.kind), reason: status.reason, session: status.session, time: status.time,
            ingestTime: ingestTime, source: .mqtt)
    }
}
