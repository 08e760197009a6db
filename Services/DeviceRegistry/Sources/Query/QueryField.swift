import Spelling

/// What a query may ask about a device.
enum QueryField: Hashable, Sendable {
    case id, name, type, model, firmware, parent
    case lifecycle, status
    case statusSince, lastSeen, registeredAt, updatedAt, deletedAt
    case statusVersion, revision
    /// The whole rest behind `labels.` is the key, dots included.
    case label(String)
    /// Names of members from the outermost to the innermost.
    case location([String])
    case attribute([String])
    case fact([String])

    /// What values a field has, and so what it may be compared with.
    enum Kind: Hashable, Sendable {
        case text
        /// One of a few words.
        case choice([String])
        case time
        case integer
        /// JSON of any type: the literal decides which values it can equal or precede.
        case json
    }

    /// Longest path into `location`, `attributes` and `facts`.
    static let deepestPath = 16

    private static let plain: [(name: String, field: QueryField)] = [
        ("id", .id), ("name", .name), ("type", .type), ("model", .model), ("firmware", .firmware), ("parent", .parent),
        ("lifecycle", .lifecycle), ("status", .status), ("statusSince", .statusSince), ("statusVersion", .statusVersion),
        ("lastSeen", .lastSeen), ("registeredAt", .registeredAt), ("updatedAt", .updatedAt), ("deletedAt", .deletedAt),
        ("revision", .revision),
    ]
    static let withoutPath = plain.map(\.field)
    /// The same as they are called in documents.
    private static let documentNames: [(name: String, field: QueryField)] = [
        ("status_since", .statusSince), ("status_version", .statusVersion), ("last_seen", .lastSeen), ("registered_at", .registeredAt),
        ("updated_at", .updatedAt), ("deleted_at", .deletedAt),
    ]
    /// Fields that are followed by a path.
    static let containers = ["labels", "location", "attributes", "facts"]
    /// All that a query may name, for its author.
    static let known = plain.map(\.name) + containers.map { "\($0).…" }

    /// A field without a path; nil for other names.
    init?(plain name: String) {
        guard let found = (Self.plain + Self.documentNames).first(where: { $0.name == name }) else { return nil }
        self = found.field
    }

    /// - Parameters:
    ///   - container: one of `containers`.
    ///   - steps: at least one.
    init?(container: String, steps: [String]) {
        switch container {
        case "labels": self = .label(steps.joined(separator: "."))
        case "location": self = .location(steps)
        case "attributes": self = .attribute(steps)
        case "facts": self = .fact(steps)
        default: return nil
        }
    }

    /// The name that was probably meant.
    static func nearest(to name: String) -> String? {
        NearestName.among(plain.map(\.name) + containers, to: name)
    }

    var kind: Kind {
        switch self {
        case .id, .name, .type, .model, .firmware, .parent, .label: .text
        case .lifecycle: .choice(Lifecycle.allCases.map(\.rawValue))
        case .status: .choice(DeviceStatus.allCases.map(\.rawValue))
        case .statusSince, .lastSeen, .registeredAt, .updatedAt, .deletedAt: .time
        case .statusVersion, .revision: .integer
        case .location, .attribute, .fact: .json
        }
    }

    /// As it stands in a query.
    var text: String {
        switch self {
        case .label(let key): "labels." + Self.step(key)
        case .location(let path): "location." + path.map(Self.step).joined(separator: ".")
        case .attribute(let path): "attributes." + path.map(Self.step).joined(separator: ".")
        case .fact(let path): "facts." + path.map(Self.step).joined(separator: ".")
        default: Self.plain.first { $0.field == self }?.name ?? ""
        }
    }

    private static func step(_ name: String) -> String {
        !name.isEmpty && name.utf8.allSatisfy(QueryScanner.isBare) ? name : QueryScanner.quoted(name)
    }
}
