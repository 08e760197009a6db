/// Where a device stands in its life, apart from whether it is online.
enum Lifecycle: String, CaseIterable, Sendable {
    /// Known, has not spoken yet.
    case provisioned
    case active
    /// May not speak until it is active again.
    case suspended
    /// For good: nothing but its removal follows.
    case retired

    /// What may follow. A state may follow itself: then nothing changes.
    var successors: Set<Lifecycle> {
        switch self {
        case .provisioned: [.provisioned, .active, .suspended, .retired]
        case .active: [.active, .suspended, .retired]
        case .suspended: [.suspended, .active, .retired]
        case .retired: [.retired]
        }
    }

    static let names = allCases.map(\.rawValue).joined(separator: ", ")
}

/// Whether a device can be reached, apart from its lifecycle.
enum DeviceStatus: String, CaseIterable, Sendable {
    case online, offline, maintenance, error

    static let names = allCases.map(\.rawValue).joined(separator: ", ")
}
