/// The member names that mean something to us. Aliases stand in order of precedence: the first one present counts.
enum MemberName: UInt8, CaseIterable {
    case deviceID, sensorID, id
    case metric, type, name
    case value, unit, quality
    case timestamp, ts, time
    case seq, stream
    case data, metrics, params
    case status, state, reason, session
    case other

    var text: String {
        switch self {
        case .deviceID: "device_id"
        case .sensorID: "sensor_id"
        case .other: "member"
        default: "\(self)"
        }
    }

    /// Length and first byte leave one candidate or two, which are then compared.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        guard let first = bytes.first else {
            self = .other
            return
        }
        switch (bytes.count, first) {
        case (2, UInt8(ascii: "i")): self = Self.compare(bytes, "id", .id)
        case (2, UInt8(ascii: "t")): self = Self.compare(bytes, "ts", .ts)
        case (3, UInt8(ascii: "s")): self = Self.compare(bytes, "seq", .seq)
        case (4, UInt8(ascii: "t")):
            self = bytes[1] == UInt8(ascii: "i") ? Self.compare(bytes, "time", .time) : Self.compare(bytes, "type", .type)
        case (4, UInt8(ascii: "n")): self = Self.compare(bytes, "name", .name)
        case (4, UInt8(ascii: "u")): self = Self.compare(bytes, "unit", .unit)
        case (4, UInt8(ascii: "d")): self = Self.compare(bytes, "data", .data)
        case (5, UInt8(ascii: "v")): self = Self.compare(bytes, "value", .value)
        case (5, UInt8(ascii: "s")): self = Self.compare(bytes, "state", .state)
        case (6, UInt8(ascii: "m")): self = Self.compare(bytes, "metric", .metric)
        case (6, UInt8(ascii: "p")): self = Self.compare(bytes, "params", .params)
        case (6, UInt8(ascii: "r")): self = Self.compare(bytes, "reason", .reason)
        case (6, UInt8(ascii: "s")):
            self = bytes[2] == UInt8(ascii: "r") ? Self.compare(bytes, "stream", .stream) : Self.compare(bytes, "status", .status)
        case (7, UInt8(ascii: "m")): self = Self.compare(bytes, "metrics", .metrics)
        case (7, UInt8(ascii: "q")): self = Self.compare(bytes, "quality", .quality)
        case (7, UInt8(ascii: "s")): self = Self.compare(bytes, "session", .session)
        case (9, UInt8(ascii: "d")): self = Self.compare(bytes, "device_id", .deviceID)
        case (9, UInt8(ascii: "s")): self = Self.compare(bytes, "sensor_id", .sensorID)
        case (9, UInt8(ascii: "t")): self = Self.compare(bytes, "timestamp", .timestamp)
        default: self = .other
        }
    }

    /// The caller has compared the lengths.
    @inline(__always)
    private static func compare(_ bytes: UnsafeRawBufferPointer, _ name: StaticString, _ member: MemberName) -> MemberName {
        for index in bytes.indices where bytes[index] != name.utf8Start[index] { return .other }
        return member
    }
}

/// The members of one object, by name. Plain memory: setting it up costs one clear.
struct Members {
    // `status` … `session` are used by status messages alone; a reading keeps the slots empty.
    private var values: InlineArray<21, JSONValue> = .init(repeating: JSONValue())

    subscript(name: MemberName) -> JSONValue {
        @inline(__always) get { values[Int(name.rawValue)] }
        @inline(__always) set { values[Int(name.rawValue)] = newValue }
    }

    /// Notes a member; a name that means something may come only once.
    @inline(__always)
    mutating func note(_ name: MemberName, _ value: JSONValue) throws(DeviceJSONError) {
        guard name != .other else { return }
        guard self[name].kind == .absent else { throw DeviceJSONError(.memberDuplicate, name.text, at: Int(value.offset)) }
        self[name] = value
    }

    var hasContainer: Bool { self[.data].kind != .absent || self[.metrics].kind != .absent || self[.params].kind != .absent }

    /// The first of the aliases that is there.
    @inline(__always)
    func first(_ a: MemberName, _ b: MemberName, _ c: MemberName) -> (MemberName, JSONValue) {
        if self[a].kind != .absent { return (a, self[a]) }
        if self[b].kind != .absent { return (b, self[b]) }
        return (c, self[c])
    }
}
