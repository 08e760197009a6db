public import Domain

/// Something that happened to a device: it came, it went, it reported an error.
public struct DeviceEvent: Hashable, Sendable, WireMessage {
    public static let schemaID: UInt8 = schema.id
    static let schema = MessageSchema(id: 2, version: 1, knownFlags: Flags.reason | Flags.session)

    enum Flags {
        static let reason: UInt8 = 1
        static let session: UInt8 = 2
    }

    public enum Kind: Hashable, Sendable {
        case online
        case offline
        case error
        /// Any other kind, 1 to 64 bytes. Make it with `init(name:)`, which knows the listed ones.
        case other(String)

        /// `online`, `offline`, `error` or the text itself.
        public var name: String {
            switch self {
            case .online: "online"
            case .offline: "offline"
            case .error: "error"
            case .other(let name): name
            }
        }

        /// The listed kind of that name, else `.other`.
        public init(name: String) {
            switch name {
            case "online": self = .online
            case "offline": self = .offline
            case "error": self = .error
            default: self = .other(name)
            }
        }

        var code: UInt8 {
            switch self {
            case .other(let name): Self(name: name) == self ? 0 : Self(name: name).code
            case .online: 1
            case .offline: 2
            case .error: 3
            }
        }
    }

    public var device: DeviceID
    public var kind: Kind
    /// For people; at most 1,024 bytes.
    public var reason: String?
    /// The connection it belongs to; at most 256 bytes.
    public var session: String?
    public var time: Timestamp
    public var ingestTime: Timestamp
    public var source: SourceProtocol

    public init(
        device: DeviceID, kind: Kind, reason: String? = nil, session: String? = nil, time: Timestamp, ingestTime: Timestamp,
        source: SourceProtocol
    ) {
        self.device = device
        self.kind = kind
        self.reason = reason
        self.session = session
        self.time = time
        self.ingestTime = ingestTime
        self.source = source
    }

    public func encode(into buffer: inout WireBuffer) throws(WireError) {
        try check()
        var flags: UInt8 = 0
        if reason != nil { flags |= Flags.reason }
        if session != nil { flags |= Flags.session }
        // `check` has held every text against its limit.
        let bound = 64 + WireLimits.deviceBytes + WireLimits.kindBytes + WireLimits.reasonBytes + WireLimits.sessionBytes
        try buffer.replace(bound: bound) { writer, _ in
            writer.header(Self.schema, flags: flags)
            writer.sized(device.text)
            writer.fixed64(UInt64(bitPattern: ingestTime.microseconds))
            writer.byte(source.rawValue)
            writer.zigzag(time.microseconds &- ingestTime.microseconds)
            writer.byte(kind.code)
            if kind.code == 0 { writer.sized(kind.name) }
            if let reason { writer.sized(reason) }
            if let session { writer.sized(session) }
        }
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        let (version, flags) = try reader.header(Self.schema)
        device = try reader.device()
        ingestTime = try reader.ingestTime()
        source = SourceProtocol(rawValue: try reader.byte("source")) ?? .unknown
        time = try reader.time(relativeTo: ingestTime, "time")
        kind = try reader.kind()
        reason = flags & Flags.reason != 0 ? try reader.text(limit: WireLimits.reasonBytes, "reason") : nil
        session = flags & Flags.session != 0 ? try reader.text(limit: WireLimits.sessionBytes, "session") : nil
        try reader.finish(Self.schema, version: version)
    }

    private func check() throws(WireError) {
        guard time.isRepresentable else { throw WireError(.invalidField, offset: 0, field: "time") }
        guard ingestTime.isRepresentable else { throw WireError(.invalidField, offset: 0, field: "ingest_time") }
        if case .other(let name) = kind {
            guard !name.isEmpty else { throw WireError(.invalidField, offset: 0, field: "kind") }
            try WireText.check(name, limit: WireLimits.kindBytes, "kind")
        }
        if let reason { try WireText.check(reason, limit: WireLimits.reasonBytes, "reason") }
        if let session { try WireText.check(session, limit: WireLimits.sessionBytes, "session") }
    }
}

extension ByteReader {
    mutating func device(_ field: StaticString = "device") throws(WireError) -> DeviceID {
        let start = position
        let bytes = try sized(limit: WireLimits.deviceBytes, field)
        guard let device = try? DeviceID(bytes: bytes) else { throw error(.invalidField, field, at: start) }
        return device
    }

    fileprivate mutating func kind() throws(WireError) -> DeviceEvent.Kind {
        let start = position
        switch try byte("kind") {
        case 0:
            let name = try text(limit: WireLimits.kindBytes, "kind")
            guard !name.isEmpty else { throw error(.invalidField, "kind", at: start) }
            return DeviceEvent.Kind(name: name)
        case 1: return .online
        case 2: return .offline
        case 3: return .error
        default: throw error(.invalidField, "kind", at: start)
        }
    }
}
