import Domain
import JSON
import Wire

extension DeviceRecord: JSONRecord {
    var aboutDevice: String? { device.text }

    var json: [JSONValue.Member] {
        let form = JSONValue.object([
            "device": .string(device.text), "revision": .int(revision), "updated": .string(updated.rfc3339),
            "lifecycle": .string(lifecycle.name), "type": .string(type), "name": name.map(JSONValue.string),
            "model": model.map(JSONValue.string), "firmware": firmware.map(JSONValue.string),
            "parent": parent.map { .string($0.text) }, "labels": labels.isEmpty ? nil : labels.json,
        ])
        guard case .object(let members) = form else { return [] }
        return members
    }

    init(json: JSONValue) throws(RecordProblem) {
        try json.allow(
            ["device", "revision", "updated", "lifecycle", "type", "name", "model", "firmware", "parent", "labels", "kafka"],
            in: "the record")
        self.init(
            device: try json.device("device"), revision: try json.revision(), updated: try json.timestamp("updated"),
            lifecycle: try json.word("lifecycle", of: Lifecycle.allCases, named: \.name), type: try json.string("type"),
            name: try json.optionalString("name"), model: try json.optionalString("model"), firmware: try json.optionalString("firmware"),
            parent: try json.optionalString("parent") == nil ? nil : try json.device("parent"), labels: try json.labels("labels"))
    }
}

extension DeviceTypeRecord: JSONRecord {
    /// A type is about no device.
    var aboutDevice: String? { nil }

    var json: [JSONValue.Member] {
        let form = JSONValue.object([
            "type": .string(name), "revision": .int(revision), "updated": .string(updated.rfc3339),
            "heartbeatSeconds": .int(Int64(heartbeatSeconds)), "rangePolicy": .string(rangePolicy.name),
            "metrics": metrics.isEmpty ? nil : .array(metrics.map(Self.form)),
            "defaultLabels": defaultLabels.isEmpty ? nil : defaultLabels.json,
        ])
        guard case .object(let members) = form else { return [] }
        return members
    }

    init(json: JSONValue) throws(RecordProblem) {
        try json.allow(
            ["type", "revision", "updated", "heartbeatSeconds", "rangePolicy", "metrics", "defaultLabels", "kafka"], in: "the record")
        guard let heartbeat = json["heartbeatSeconds"]?.intValue.flatMap(Int.init(exactly:)) else {
            throw RecordProblem("'heartbeatSeconds' must be a whole number")
        }
        var metrics: [Metric] = []
        for (index, form) in (try json.optionalArray("metrics") ?? []).enumerated() {
            do throws(RecordProblem) { metrics.append(try Self.metric(form)) } catch { throw RecordProblem("metrics[\(index)]: \(error)") }
        }
        self.init(
            name: try json.string("type"), revision: try json.revision(), updated: try json.timestamp("updated"),
            heartbeatSeconds: heartbeat, rangePolicy: try json.word("rangePolicy", of: RangePolicy.allCases, named: \.name),
            metrics: metrics, defaultLabels: try json.labels("defaultLabels"))
    }

    private static func form(_ metric: Metric) -> JSONValue {
        .object([
            "name": .string(metric.name.text), "unit": metric.unit.map(JSONValue.string), "minimum": metric.minimum.map(JSONValue.double),
            "maximum": metric.maximum.map(JSONValue.double),
        ])
    }

    private static func metric(_ form: JSONValue) throws(RecordProblem) -> Metric {
        try form.allow(["name", "unit", "minimum", "maximum"], in: "a metric")
        let text = try form.string("name")
        let name: MetricName
        do { name = try MetricName(text) } catch { throw RecordProblem("'name': \(error.reason)") }
        return Metric(
            name: name, unit: try form.optionalString("unit"), minimum: try form.optionalNumber("minimum"),
            maximum: try form.optionalNumber("maximum"))
    }
}

extension [DeviceLabel] {
    fileprivate var json: JSONValue { .object(map { JSONValue.Member(name: $0.key, value: .string($0.value)) }) }
}

extension JSONValue {
    fileprivate func revision() throws(RecordProblem) -> Int64 {
        guard let revision = self["revision"]?.intValue, revision >= 1 else {
            throw RecordProblem("'revision' must be a whole number from 1")
        }
        return revision
    }

    fileprivate func word<Case>(_ name: String, of cases: [Case], named: KeyPath<Case, String>) throws(RecordProblem) -> Case {
        let text = try string(name)
        guard let found = cases.first(where: { $0[keyPath: named] == text }) else {
            throw RecordProblem("'\(name)' must be one of \(cases.map { $0[keyPath: named] }.joined(separator: ", "))")
        }
        return found
    }

    fileprivate func labels(_ name: String) throws(RecordProblem) -> [DeviceLabel] {
        guard let value = self[name], value != .null else { return [] }
        guard case .object(let members) = value else { throw RecordProblem("'\(name)' must be an object of strings") }
        var labels: [DeviceLabel] = []
        for member in members {
            guard let text = member.value.stringValue else { throw RecordProblem("'\(name)': '\(member.name)' must be a string") }
            labels.append(DeviceLabel(key: member.name, value: text))
        }
        return labels
    }

    fileprivate func optionalArray(_ name: String) throws(RecordProblem) -> [JSONValue]? {
        guard let value = self[name], value != .null else { return nil }
        guard let items = value.arrayValue else { throw RecordProblem("'\(name)' must be an array") }
        return items
    }

    fileprivate func optionalNumber(_ name: String) throws(RecordProblem) -> Double? {
        switch self[name] {
        case nil, .null: return nil
        case .double(let value): return value
        case .int(let value): return Double(value)
        default: throw RecordProblem("'\(name)' must be a number")
        }
    }
}
