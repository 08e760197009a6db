import Domain
import TestSupport
import Wire

extension DeviceRecord: GoldenMessage {
    var form: [(String, JSONForm)] {
        [
            ("message", .text("DeviceRecord")), ("device", .text(device.text)), ("revision", .int64(revision)),
            ("updated", .int64(updated.microseconds)), ("lifecycle", .text(lifecycle.name)), ("type", .text(type)),
            ("name", .optional(name)), ("model", .optional(model)), ("firmware", .optional(firmware)), ("parent", .optional(parent?.text)),
            ("labels", labels.form),
        ]
    }
}

extension DeviceTypeRecord: GoldenMessage {
    var form: [(String, JSONForm)] {
        [
            ("message", .text("DeviceTypeRecord")), ("name", .text(name)), ("revision", .int64(revision)),
            ("updated", .int64(updated.microseconds)), ("heartbeat", .number(heartbeatSeconds)), ("range_policy", .text(rangePolicy.name)),
            ("metrics", .list(metrics.map(Self.form))), ("labels", defaultLabels.form),
        ]
    }

    private static func form(_ metric: Metric) -> JSONForm {
        .object([
            ("metric", .text(metric.name.text)), ("unit", .optional(metric.unit)), ("minimum", bits(metric.minimum)),
            ("maximum", bits(metric.maximum)),
        ])
    }

    private static func bits(_ value: Double?) -> JSONForm { value.map { .text(hex($0.bitPattern, digits: 16)) } ?? .null }
}

extension [DeviceLabel] {
    fileprivate var form: JSONForm { .list(map { .object([("key", .text($0.key)), ("value", .text($0.value))]) }) }
}

extension GoldenCases {
    static func deviceRecord(_ lifecycle: DeviceRecord.Lifecycle = .active) throws -> DeviceRecord {
        DeviceRecord(device: try DeviceID("pump-7"), revision: 1, updated: measured, lifecycle: lifecycle, type: "sensor")
    }

    static func fullDeviceRecord() throws -> DeviceRecord {
        DeviceRecord(
            device: try DeviceID("pump-7"), revision: 300, updated: measured, lifecycle: .suspended, type: "pump", name: "Förderpumpe 7",
            model: "P-200", firmware: "2.4.1", parent: try DeviceID("gw-1"),
            labels: [DeviceLabel(key: "site", value: "berlin"), DeviceLabel(key: "line", value: "")])
    }

    static func typeRecord() throws -> DeviceTypeRecord {
        DeviceTypeRecord(
            name: "pump", revision: 2, updated: measured, heartbeatSeconds: 300, rangePolicy: .reject,
            metrics: [
                .init(name: try MetricName("temperature"), unit: "°C", minimum: -40, maximum: 85),
                .init(name: try MetricName("pressure"), maximum: 12.5), .init(name: try MetricName("state")),
            ], defaultLabels: [DeviceLabel(key: "kind", value: "pump")])
    }

    static func registry() throws -> [GoldenCase] {
        let longest = DeviceRecord(
            device: try DeviceID(String(repeating: "d", count: 128)), revision: .max, updated: .latest, lifecycle: .retired,
            type: String(repeating: "t", count: 128), labels: (0..<64).map { DeviceLabel(key: "k\($0)", value: "v\($0)") })
        return [
            GoldenCase(name: "device", about: "A device of which little is said", message: try deviceRecord()),
            GoldenCase(name: "device-full", about: "Everything that can be said of a device", message: try fullDeviceRecord()),
            GoldenCase(name: "device-provisioned", about: "Registered, never seen", message: try deviceRecord(.provisioned)),
            GoldenCase(name: "device-longest", about: "Sixty-four labels, the last revision, the last time", message: longest),
            GoldenCase(name: "device-type", about: "A type of three metrics", message: try typeRecord()),
            GoldenCase(
                name: "device-type-empty", about: "A type that expects nothing",
                message: DeviceTypeRecord(name: "sensor", revision: 1, updated: measured, heartbeatSeconds: 0, rangePolicy: .ignore)),
        ]
    }
}

extension SeededRandom {
    mutating func labels() -> [DeviceLabel] {
        let keys = Set((0..<Int.random(in: 0...(chance(5) ? 64 : 4), using: &self)).map { _ in Array(name(upTo: 128).utf8) })
        return keys.map { DeviceLabel(key: String(decoding: $0, as: UTF8.self), value: text(upTo: 256)) }
    }

    mutating func deviceRecord() throws -> DeviceRecord {
        DeviceRecord(
            device: try deviceID(), revision: chance(5) ? .max : Int64.random(in: 1...1_000, using: &self), updated: time(),
            lifecycle: pick(DeviceRecord.Lifecycle.allCases), type: name(upTo: 128), name: chance(50) ? text(upTo: 256) : nil,
            model: chance(50) ? text(upTo: 256) : nil, firmware: chance(50) ? text(upTo: 256) : nil,
            parent: chance(50) ? try deviceID() : nil, labels: labels())
    }

    mutating func deviceTypeRecord() throws -> DeviceTypeRecord {
        let names = Set(try (0..<Int.random(in: 0...5, using: &self)).map { _ in try MetricName(name(upTo: 128)) })
        let metrics = names.map { name in
            let bounds = [double(), double()].filter(\.isFinite).sorted()
            return DeviceTypeRecord.Metric(
                name: name, unit: chance(50) ? self.name(upTo: 32) : nil, minimum: chance(70) ? bounds.first : nil,
                maximum: chance(70) ? bounds.last : nil)
        }
        return DeviceTypeRecord(
            name: name(upTo: 128), revision: chance(5) ? .max : 7, updated: time(),
            heartbeatSeconds: pick([0, 90, 300, Int(Int32.max)]), rangePolicy: pick(DeviceTypeRecord.RangePolicy.allCases),
            metrics: metrics, defaultLabels: labels())
    }
}
