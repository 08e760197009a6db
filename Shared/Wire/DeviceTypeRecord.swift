public import Domain

/// What is expected of the devices of a type: the value of a record of `registry.types`.
public struct DeviceTypeRecord: Hashable, Sendable, StateMessage {
    public static let schemaID: UInt8 = schema.id
    static let schema = MessageSchema(id: 6, version: 1, knownFlags: 0)

    /// What becomes of a reading out of its metric's range.
    public enum RangePolicy: UInt8, Hashable, Sendable, CaseIterable {
        /// It is stored like any other.
        case ignore = 1
        /// It is stored, and marked.
        case flag = 2
        /// It is a dead letter.
        case reject = 3

        /// As it stands in JSON.
        public var name: String {
            switch self {
            case .ignore: "ignore"
            case .flag: "flag"
            case .reject: "reject"
            }
        }
    }

    /// A metric that such a device reports, in which unit and within which bounds.
    public struct Metric: Hashable, Sendable {
        public var name: MetricName
        public var unit: String?
        /// The least value that is right; nil: no bound. Finite.
        public var minimum: Double?
        /// The greatest value that is right.
        public var maximum: Double?

        public init(name: MetricName, unit: String? = nil, minimum: Double? = nil, maximum: Double? = nil) {
            self.name = name
            self.unit = unit
            self.minimum = minimum
            self.maximum = maximum
        }
    }

    /// 1 to 128 bytes.
    public var name: String
    /// Rises with every change of the type, from 1. Of two records the one with the higher revision counts.
    public var revision: Int64
    /// When this revision was made.
    public var updated: Timestamp
    /// Seconds after which a silent device counts as offline; 0: it never does. At most 2³¹ − 1.
    public var heartbeatSeconds: Int
    public var rangePolicy: RangePolicy
    /// At most 1,000, in the order of their names' bytes; each once.
    public private(set) var metrics: [Metric]
    /// What a new device of the type gets; as `DeviceRecord.labels`.
    public private(set) var defaultLabels: [DeviceLabel]

    /// - Parameters:
    ///   - metrics: in any order; each name once.
    ///   - defaultLabels: in any order; each key once.
    public init(
        name: String, revision: Int64, updated: Timestamp, heartbeatSeconds: Int, rangePolicy: RangePolicy, metrics: [Metric] = [],
        defaultLabels: [DeviceLabel] = []
    ) {
        self.name = name
        self.revision = revision
        self.updated = updated
        self.heartbeatSeconds = heartbeatSeconds
        self.rangePolicy = rangePolicy
        self.metrics = metrics.sorted { $0.name < $1.name }
        self.defaultLabels = defaultLabels.sorted()
    }

    public var subject: String { name }

    public static func key(of name: String) -> [UInt8] { Array(name.utf8) }

    public static func subject(ofKey key: UnsafeRawBufferPointer) throws(WireError) -> String {
        guard (1...WireLimits.typeNameBytes).contains(key.count), TextRule.isName(key) else {
            throw WireError(.invalidField, offset: 0, field: "key")
        }
        return String(decoding: key, as: UTF8.self)
    }

    public func encode(into buffer: inout WireBuffer) throws(WireError) {
        try check()
        // `check` has held every text against its limit.
        let metricBound = 64 + WireLimits.metricBytes + WireLimits.unitBytes
        let bound = 64 + WireLimits.typeNameBytes + metrics.count * metricBound + defaultLabels.bound
        try buffer.replace(bound: bound) { writer, _ in
            writer.header(Self.schema, flags: 0)
            writer.sized(name)
            writer.varint(UInt64(revision))
            writer.fixed64(UInt64(bitPattern: updated.microseconds))
            writer.varint(UInt64(heartbeatSeconds))
            writer.byte(rangePolicy.rawValue)
            writer.varint(UInt64(metrics.count))
            for metric in metrics { writer.metric(metric) }
            writer.labels(defaultLabels)
        }
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        let (version, _) = try reader.header(Self.schema)
        name = try reader.name(limit: WireLimits.typeNameBytes, "name")
        revision = try reader.revision()
        updated = try reader.absoluteTime("updated")
        heartbeatSeconds = try reader.count(limit: WireLimits.heartbeatSeconds, "heartbeat")
        let policyStart = reader.position
        guard let policy = RangePolicy(rawValue: try reader.byte("range_policy")) else {
            throw reader.error(.invalidField, "range_policy", at: policyStart)
        }
        rangePolicy = policy
        metrics = try reader.metrics()
        defaultLabels = try reader.labels()
        try reader.finish(Self.schema, version: version)
    }

    private func check() throws(WireError) {
        guard revision >= 1 else { throw WireError(.invalidField, offset: 0, field: "revision") }
        guard updated.isRepresentable else { throw WireError(.invalidField, offset: 0, field: "updated") }
        try WireText.checkName(name, limit: WireLimits.typeNameBytes, "name")
        guard (0...WireLimits.heartbeatSeconds).contains(heartbeatSeconds) else {
            throw WireError(.limitExceeded, offset: 0, field: "heartbeat")
        }
        guard metrics.count <= WireLimits.metricsPerType else { throw WireError(.limitExceeded, offset: metrics.count, field: "metrics") }
        for index in metrics.indices {
            let metric = metrics[index]
            guard index == 0 || metrics[index - 1].name < metric.name else {
                throw WireError(.invalidField, offset: index, field: "metric")
            }
            if let unit = metric.unit { try WireText.checkName(unit, limit: WireLimits.unitBytes, "unit") }
            guard metric.minimum?.isFinite ?? true else { throw WireError(.invalidField, offset: index, field: "minimum") }
            guard metric.maximum?.isFinite ?? true, metric.hasRoom else {
                throw WireError(.invalidField, offset: index, field: "maximum")
            }
        }
        try defaultLabels.check()
    }
}

extension DeviceTypeRecord.Metric {
    fileprivate enum Parts {
        static let unit: UInt8 = 1
        static let minimum: UInt8 = 2
        static let maximum: UInt8 = 4
    }

    /// Whether a value can be within the bounds.
    fileprivate var hasRoom: Bool { minimum.map { minimum in maximum.map { minimum <= $0 } ?? true } ?? true }

    fileprivate var parts: UInt8 {
        (unit == nil ? 0 : Parts.unit) | (minimum == nil ? 0 : Parts.minimum) | (maximum == nil ? 0 : Parts.maximum)
    }
}

extension ByteWriter {
    fileprivate mutating func metric(_ metric: DeviceTypeRecord.Metric) {
        sized(metric.name.text)
        byte(metric.parts)
        if let unit = metric.unit { sized(unit) }
        if let minimum = metric.minimum { fixed64(minimum.bitPattern) }
        if let maximum = metric.maximum { fixed64(maximum.bitPattern) }
    }
}

extension ByteReader {
    fileprivate mutating func metrics() throws(WireError) -> [DeviceTypeRecord.Metric] {
        let count = try count(limit: WireLimits.metricsPerType, "metrics")
        var metrics: [DeviceTypeRecord.Metric] = []
        for _ in 0..<count {
            let start = position
            let metric = try typeMetric()
            if let last = metrics.last, last.name >= metric.name { throw error(.invalidField, "metric", at: start) }
            metrics.append(metric)
        }
        return metrics
    }

    private mutating func typeMetric() throws(WireError) -> DeviceTypeRecord.Metric {
        typealias Parts = DeviceTypeRecord.Metric.Parts
        let start = position
        let bytes = try sized(limit: WireLimits.metricBytes, "metric")
        guard MetricName.isValid(bytes) else { throw error(bytes.isEmpty ? .invalidField : .invalidUTF8, "metric", at: start) }
        let partsStart = position
        let parts = try byte("parts")
        guard parts & ~(Parts.unit | Parts.minimum | Parts.maximum) == 0 else { throw error(.invalidField, "parts", at: partsStart) }
        var metric = DeviceTypeRecord.Metric(name: MetricName(trusted: bytes))
        if parts & Parts.unit != 0 { metric.unit = try name(limit: WireLimits.unitBytes, "unit") }
        if parts & Parts.minimum != 0 { metric.minimum = try bound("minimum") }
        let maximumStart = position
        if parts & Parts.maximum != 0 { metric.maximum = try bound("maximum") }
        guard metric.hasRoom else { throw error(.invalidField, "maximum", at: maximumStart) }
        return metric
    }

    private mutating func bound(_ field: StaticString) throws(WireError) -> Double {
        let start = position
        let value = Double(bitPattern: try fixed64(field))
        guard value.isFinite else { throw error(.invalidField, field, at: start) }
        return value
    }
}
