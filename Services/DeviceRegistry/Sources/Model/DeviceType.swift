import Domain
import JSON

/// What is expected of the devices of a type; what a client may write of it.
struct TypeProfile: Hashable, Sendable {
    /// What becomes of a reading outside of its metric's range.
    enum RangePolicy: String, CaseIterable, Sendable { case ignore, flag, reject }

    /// A metric that such a device reports.
    struct Metric: Hashable, Sendable {
        var name: MetricName
        var unit: String?
        /// Least and greatest value that are right; nil: no bound.
        var minimum: Double?
        var maximum: Double?

        static let members = ["name", "unit", "minimum", "maximum"]
    }

    static let heartbeatRange: ClosedRange<Int64> = 1...604_800
    static let maximumMetrics = 256
    static let members = ["description", "heartbeat_seconds", "range_policy", "metrics", "labels"]
    static let readOnly = ["revision", "built_in", "created_at", "updated_at"]

    var description: String?
    /// A device that is silent for longer counts as offline.
    var heartbeatSeconds = 300
    var rangePolicy = RangePolicy.ignore
    /// In the order of their names; each once.
    var metrics: [Metric] = []
    /// Given to a device that is made or replaced without them.
    var labels = LabelSet()

    init() {}

    /// - Parameter name: of the type; a member `name` must be equal.
    init(_ value: JSONValue, name: RegistryName, isWhole: Bool) throws(FieldFault) {
        let reader = try ObjectReader(
            value, known: ["name"] + Self.members + (isWhole ? Self.readOnly : []), readOnly: Self.readOnly)
        if let given = reader.value("name"), try RegistryName(given, at: "name") != name {
            throw FieldFault(.invalidValue, "name", "is not that of the path; a type's name never changes")
        }
        description = try reader.text("description", maximumBytes: 1_024)
        heartbeatSeconds = Int(try reader.integer("heartbeat_seconds", in: Self.heartbeatRange) ?? 300)
        rangePolicy = try reader.choice("range_policy") ?? .ignore
        if let value = reader.value("labels") { labels = try LabelSet(value) }
        if let value = reader.value("metrics") { metrics = try Self.metrics(value) }
    }

    private static func metrics(_ value: JSONValue) throws(FieldFault) -> [Metric] {
        guard let values = value.arrayValue else { throw FieldFault(.wrongType, "metrics", "must be an array of objects") }
        guard values.count <= maximumMetrics else {
            throw FieldFault(.tooMany, "metrics", "holds \(values.count) metrics, at most \(maximumMetrics) are allowed")
        }
        var metrics: [Metric] = []
        var names: Set<MetricName> = []
        for (index, value) in values.enumerated() {
            let metric = try Metric(value, at: "metrics[\(index)]")
            guard names.insert(metric.name).inserted else {
                throw FieldFault(.invalidValue, "metrics[\(index)].name", "stands twice: a metric has one unit and one range")
            }
            metrics.append(metric)
        }
        return metrics.sorted { $0.name < $1.name }
    }

    /// The document that a merge patch is applied to.
    var json: JSONValue {
        .object([
            "description": description.map { .string($0) }, "heartbeat_seconds": .int(Int64(heartbeatSeconds)),
            "range_policy": .string(rangePolicy.rawValue), "metrics": .array(metrics.map(\.json)), "labels": labels.json,
        ])
    }

    /// This profile changed by a merge patch (RFC 7396).
    func patched(with patch: JSONValue, name: RegistryName) throws(FieldFault) -> TypeProfile {
        _ = try ObjectReader(patch, known: ["name"] + Self.members, readOnly: Self.readOnly)
        return try TypeProfile(json.merged(with: patch), name: name, isWhole: false)
    }
}

extension TypeProfile.Metric {
    fileprivate init(_ value: JSONValue, at path: String) throws(FieldFault) {
        let reader = try ObjectReader(value, at: path, known: Self.members)
        let text = try ObjectReader.text(try reader.required("name"), at: reader.place("name"), maximumBytes: MetricName.maximumBytes)
        do throws(DomainError) { name = try MetricName(text) } catch {
            throw FieldFault(.invalidValue, reader.place("name"), "is no metric name: \(error.reason)")
        }
        unit = try reader.text("unit", maximumBytes: 32)
        let finite = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
        minimum = try reader.number("minimum", in: finite)
        maximum = try reader.number("maximum", in: finite)
        if let minimum, let maximum, minimum > maximum {
            throw FieldFault(.invalidValue, reader.place("maximum"), "lies below the minimum")
        }
    }

    var json: JSONValue {
        .object([
            "name": .string(name.text), "unit": unit.map { .string($0) }, "minimum": minimum.map { .double($0) },
            "maximum": maximum.map { .double($0) },
        ])
    }
}

/// A device type as the registry knows it.
struct DeviceType: Hashable, Sendable {
    let name: RegistryName
    var revision: Int64
    var profile: TypeProfile
    /// Comes with the registry and stays.
    var isBuiltIn: Bool
    var createdAt: Timestamp
    var updatedAt: Timestamp

    /// The document that clients see.
    var json: JSONValue {
        let head: [JSONValue.Member] = [
            .init(name: "name", value: .string(name.text)), .init(name: "revision", value: .int(revision)),
            .init(name: "built_in", value: .bool(isBuiltIn)),
        ]
        let tail: [JSONValue.Member] = [
            .init(name: "created_at", value: .string(createdAt.rfc3339)), .init(name: "updated_at", value: .string(updatedAt.rfc3339)),
        ]
        return .object(head + (profile.json.objectValue ?? []) + tail)
    }
}
