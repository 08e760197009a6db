public import Domain

/// What the registry knows of a device and other services need: the value of a record of `registry.devices`.
public struct DeviceRecord: Hashable, Sendable, StateMessage {
    public static let schemaID: UInt8 = schema.id
    static let schema = MessageSchema(id: 5, version: 1, knownFlags: Flags.name | Flags.model | Flags.firmware | Flags.parent)

    enum Flags {
        static let name: UInt8 = 1
        static let model: UInt8 = 2
        static let firmware: UInt8 = 4
        static let parent: UInt8 = 8
    }

    /// How far a device is in its life.
    public enum Lifecycle: UInt8, Hashable, Sendable, CaseIterable {
        /// A state that this build does not know (written by a newer one): nothing is to be taken from the device.
        case unknown = 0
        case provisioned = 1
        case active = 2
        case suspended = 3
        case retired = 4

        /// As it stands in JSON.
        public var name: String {
            switch self {
            case .unknown: "unknown"
            case .provisioned: "provisioned"
            case .active: "active"
            case .suspended: "suspended"
            case .retired: "retired"
            }
        }
    }

    public var device: DeviceID
    /// Rises with every change of the device, from 1. Of two records the one with the higher revision counts.
    public var revision: Int64
    /// When this revision was made.
    public var updated: Timestamp
    public var lifecycle: Lifecycle
    /// Name of the device's type, 1 to 128 bytes.
    public var type: String
    /// For people; at most 256 bytes, as `model` and `firmware`.
    public var name: String?
    public var model: String?
    public var firmware: String?
    /// The gateway that speaks for it.
    public var parent: DeviceID?
    /// At most 64, in the order of their keys' bytes; each key once.
    public private(set) var labels: [DeviceLabel]

    /// - Parameter labels: in any order; each key once.
    public init(
        device: DeviceID, revision: Int64, updated: Timestamp, lifecycle: Lifecycle, type: String, name: String? = nil,
        model: String? = nil, firmware: String? = nil, parent: DeviceID? = nil, labels: [DeviceLabel] = []
    ) {
        self.device = device
        self.revision = revision
        self.updated = updated
        self.lifecycle = lifecycle
        self.type = type
        self.name = name
        self.model = model
        self.firmware = firmware
        self.parent = parent
        self.labels = labels.sorted()
    }

    public var subject: DeviceID { device }

    public static func key(of device: DeviceID) -> [UInt8] { Array(device.text.utf8) }

    public static func subject(ofKey key: UnsafeRawBufferPointer) throws(WireError) -> DeviceID {
        guard let device = try? DeviceID(bytes: key) else { throw WireError(.invalidField, offset: 0, field: "key") }
        return device
    }

    public func encode(into buffer: inout WireBuffer) throws(WireError) {
        try check()
        var flags: UInt8 = 0
        if name != nil { flags |= Flags.name }
        if model != nil { flags |= Flags.model }
        if firmware != nil { flags |= Flags.firmware }
        if parent != nil { flags |= Flags.parent }
        // `check` has held every text against its limit.
        let bound = 64 + 2 * WireLimits.deviceBytes + WireLimits.typeNameBytes + 3 * WireLimits.deviceTextBytes + labels.bound
        try buffer.replace(bound: bound) { writer, _ in
            writer.header(Self.schema, flags: flags)
            writer.sized(device.text)
            writer.varint(UInt64(revision))
            writer.fixed64(UInt64(bitPattern: updated.microseconds))
            writer.byte(lifecycle.rawValue)
            writer.sized(type)
            if let name { writer.sized(name) }
            if let model { writer.sized(model) }
            if let firmware { writer.sized(firmware) }
            if let parent { writer.sized(parent.text) }
            writer.labels(labels)
        }
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        let (version, flags) = try reader.header(Self.schema)
        device = try reader.device()
        revision = try reader.revision()
        updated = try reader.absoluteTime("updated")
        lifecycle = Lifecycle(rawValue: try reader.byte("lifecycle")) ?? .unknown
        type = try reader.name(limit: WireLimits.typeNameBytes, "type")
        name = flags & Flags.name != 0 ? try reader.text(limit: WireLimits.deviceTextBytes, "name") : nil
        model = flags & Flags.model != 0 ? try reader.text(limit: WireLimits.deviceTextBytes, "model") : nil
        firmware = flags & Flags.firmware != 0 ? try reader.text(limit: WireLimits.deviceTextBytes, "firmware") : nil
        parent = flags & Flags.parent != 0 ? try reader.device("parent") : nil
        labels = try reader.labels()
        try reader.finish(Self.schema, version: version)
    }

    private func check() throws(WireError) {
        guard revision >= 1 else { throw WireError(.invalidField, offset: 0, field: "revision") }
        guard updated.isRepresentable else { throw WireError(.invalidField, offset: 0, field: "updated") }
        try WireText.checkName(type, limit: WireLimits.typeNameBytes, "type")
        if let name { try WireText.check(name, limit: WireLimits.deviceTextBytes, "name") }
        if let model { try WireText.check(model, limit: WireLimits.deviceTextBytes, "model") }
        if let firmware { try WireText.check(firmware, limit: WireLimits.deviceTextBytes, "firmware") }
        try labels.check()
    }
}
