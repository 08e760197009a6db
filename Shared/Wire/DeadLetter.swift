public import Domain

/// A message that could not be taken: its bytes, where it came from, which step refused it and why.
public struct DeadLetter: Hashable, Sendable, WireMessage {
    public static let schemaID: UInt8 = schema.id
    static let schema = MessageSchema(id: 3, version: 1, knownFlags: Flags.identity | Flags.origin | Flags.payloadCut)

    enum Flags {
        static let identity: UInt8 = 1
        static let origin: UInt8 = 2
        static let payloadCut: UInt8 = 4
    }

    /// The step that refused the message.
    public enum Stage: UInt8, Hashable, Sendable, CaseIterable {
        /// A step that this build does not know (written by a newer one).
        case unknown = 0
        case authenticate = 1
        case authorize = 2
        case size = 3
        case rate = 4
        case decode = 5
        case schema = 6
        case store = 7

        /// As it stands in JSON and in metrics.
        public var name: String {
            switch self {
            case .unknown: "unknown"
            case .authenticate: "authenticate"
            case .authorize: "authorize"
            case .size: "size"
            case .rate: "rate"
            case .decode: "decode"
            case .schema: "schema"
            case .store: "store"
            }
        }
    }

    /// The Kafka record that the message was.
    public struct Origin: Hashable, Sendable {
        public var topic: String
        public var partition: Int32
        public var offset: Int64

        public init(topic: String, partition: Int32, offset: Int64) {
            self.topic = topic
            self.partition = partition
            self.offset = offset
        }
    }

    /// The original bytes, at most 256 KiB of them.
    public private(set) var payload: [UInt8]
    /// The original was longer than what `payload` keeps.
    public private(set) var isPayloadCut: Bool
    /// Topic, path or record it came in on; at most 1,024 bytes.
    public private(set) var sourceTopic: String
    /// The device or client that sent it, when known; at most 256 bytes.
    public private(set) var identity: String?
    public var stage: Stage
    /// Stable, snake_case, 1 to 64 of `a-z 0-9 _`.
    public var reasonCode: String
    /// For people; at most 1,024 bytes.
    public private(set) var text: String
    public var time: Timestamp
    public var origin: Origin?

    /// What is longer than its limit is cut, U+0000 in text is replaced: a dead letter can always be written.
    public init(
        payload: some Collection<UInt8>, sourceTopic: String, identity: String?, stage: Stage, reasonCode: String, text: String,
        time: Timestamp, origin: Origin? = nil
    ) {
        self.payload = Array(payload.prefix(WireLimits.deadLetterPayloadBytes))
        isPayloadCut = payload.count > WireLimits.deadLetterPayloadBytes
        self.sourceTopic = WireText.clipped(sourceTopic, limit: WireLimits.sourceTopicBytes)
        self.identity = identity.map { WireText.clipped($0, limit: WireLimits.identityBytes) }
        self.stage = stage
        self.reasonCode = reasonCode
        self.text = WireText.clipped(text, limit: WireLimits.deadLetterTextBytes)
        self.time = time
        self.origin = origin
    }

    /// - Throws: `invalidField` for a reason code of other characters, a time out of range, an origin that Kafka cannot have.
    public func encode(into buffer: inout WireBuffer) throws(WireError) {
        guard Self.isReasonCode(reasonCode.utf8) else { throw WireError(.invalidField, offset: 0, field: "reason_code") }
        guard time.isRepresentable else { throw WireError(.invalidField, offset: 0, field: "time") }
        if let origin {
            guard origin.partition >= 0 && origin.offset >= 0 else { throw WireError(.invalidField, offset: 0, field: "origin") }
            try WireText.check(origin.topic, limit: WireLimits.topicNameBytes, "origin_topic")
        }
        var flags: UInt8 = isPayloadCut ? Flags.payloadCut : 0
        if identity != nil { flags |= Flags.identity }
        if origin != nil { flags |= Flags.origin }
        // Limits of all texts together and the numbers between them are below 4 KiB.
        try buffer.replace(bound: 4_096 + payload.count) { writer, _ in
            writer.header(Self.schema, flags: flags)
            writer.fixed64(UInt64(bitPattern: time.microseconds))
            writer.byte(stage.rawValue)
            writer.sized(reasonCode)
            writer.sized(text)
            writer.sized(sourceTopic)
            if let identity { writer.sized(identity) }
            if let origin {
                writer.sized(origin.topic)
                writer.varint(UInt64(origin.partition))
                writer.varint(UInt64(origin.offset))
            }
            payload.withUnsafeBytes { writer.sized($0) }
        }
    }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        let (version, flags) = try reader.header(Self.schema)
        let timeStart = reader.position
        time = Timestamp(microseconds: Int64(bitPattern: try reader.fixed64("time")))
        guard time.isRepresentable else { throw reader.error(.invalidField, "time", at: timeStart) }
        stage = Stage(rawValue: try reader.byte("stage")) ?? .unknown
        let codeStart = reader.position
        let code = try reader.sized(limit: WireLimits.reasonCodeBytes, "reason_code")
        guard Self.isReasonCode(code) else { throw reader.error(.invalidField, "reason_code", at: codeStart) }
        reasonCode = String(decoding: code, as: UTF8.self)
        text = try reader.text(limit: WireLimits.deadLetterTextBytes, "text")
        sourceTopic = try reader.text(limit: WireLimits.sourceTopicBytes, "source_topic")
        identity = flags & Flags.identity != 0 ? try reader.text(limit: WireLimits.identityBytes, "identity") : nil
        origin = flags & Flags.origin != 0 ? try reader.origin() : nil
        payload = Array(try reader.sized(limit: WireLimits.deadLetterPayloadBytes, "payload"))
        isPayloadCut = flags & Flags.payloadCut != 0
        try reader.finish(Self.schema, version: version)
    }

    private static func isReasonCode(_ code: some Collection<UInt8>) -> Bool {
        (1...WireLimits.reasonCodeBytes).contains(code.count)
            && code.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: "_")
            }
    }
}

extension ByteReader {
    fileprivate mutating func origin() throws(WireError) -> DeadLetter.Origin {
        let topic = try text(limit: WireLimits.topicNameBytes, "origin_topic")
        let partition = try count(limit: Int(Int32.max), "origin_partition")
        let offset = try count(limit: Int.max, "origin_offset")
        return DeadLetter.Origin(topic: topic, partition: Int32(truncatingIfNeeded: partition), offset: Int64(offset))
    }
}
