import Domain
import JSON
import Spelling
import Wire

/// A record that cannot be written from its JSON: which member, and why.
struct RecordProblem: Error, Hashable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A message of the platform with a JSON form; what `tail` prints is what `publish` reads.
protocol JSONRecord: WireMessage {
    var json: [JSONValue.Member] { get }
    init(json: JSONValue) throws(RecordProblem)
    /// The device it is about, when it is about one.
    var aboutDevice: String? { get }
}

/// Any platform topic, as the Kafka commands see it: its bytes in, JSON out, and back.
struct TopicForm: Sendable {
    struct Decoded: Sendable {
        let members: [JSONValue.Member]
        let device: String?
    }

    struct Encoded: Sendable {
        let key: [UInt8]
        /// nil: a tombstone, the record that says that the key's subject is gone.
        let value: [UInt8]?
    }

    let topic: AnyTopic
    let decode: @Sendable (UnsafeRawBufferPointer) throws -> Decoded
    let encode: @Sendable (JSONValue) throws -> Encoded
    /// What a record without a value says, by its key.
    let decodeTombstone: @Sendable (UnsafeRawBufferPointer) throws -> Decoded

    private init<Message: JSONRecord>(_ topic: Topic<Message>) {
        self.topic = AnyTopic(topic)
        decodeTombstone = { _ in throw RecordProblem("a record without a value, in a topic that is not compacted") }
        decode = { bytes in
            let message = try Message(decoding: bytes)
            return Decoded(members: message.json, device: message.aboutDevice)
        }
        encode = { json in
            let message = try Message(json: json)
            return Encoded(key: topic.key(message), value: try message.encoded())
        }
    }

    /// A topic of states: the JSON of a tombstone has the subject's name and `"deleted":true`.
    private init<Message: JSONRecord & StateMessage>(states topic: Topic<Message>, named member: String) {
        let records = TopicForm(topic)
        self.topic = records.topic
        decode = records.decode
        decodeTombstone = { key in
            let text = "\(try Message.subject(ofKey: key))"
            return Decoded(
                members: [.init(name: member, value: .string(text)), .init(name: "deleted", value: .bool(true))],
                device: member == "device" ? text : nil)
        }
        encode = { json in
            guard json["deleted"] != nil else { return try records.encode(json) }
            try json.allow([member, "deleted", "kafka"], in: "a deletion")
            guard json["deleted"] == .bool(true) else { throw RecordProblem("'deleted' can only be true") }
            let key = Array(try json.string(member).utf8)
            do { _ = try key.withUnsafeBytes { try Message.subject(ofKey: $0) } } catch {
                throw RecordProblem("'\(member)' is no key of \(topic.name)")
            }
            return Encoded(key: key, value: nil)
        }
    }

    static let all = [
        TopicForm(Topics.telemetry), TopicForm(Topics.deviceEvents), TopicForm(Topics.deadLetters),
        TopicForm(states: Topics.registryDevices, named: "device"), TopicForm(states: Topics.registryTypes, named: "type"),
    ]
    static let names = all.map(\.topic.name)

    static func named(_ name: String) -> TopicForm? { all.first { $0.topic.name == name } }
}

extension JSONValue {
    init(_ value: MetricValue) {
        self =
            switch value {
            case .double(let value) where value.isNaN: .object(["double": .string("NaN")])
            case .double(let value) where value.isInfinite: .object(["double": .string(value < 0 ? "-Infinity" : "Infinity")])
            case .double(let value): .double(value)
            case .int(let value): .int(value)
            case .bool(let value): .bool(value)
            case .string(let value): .string(value)
            }
    }

    func metricValue(_ place: String) throws(RecordProblem) -> MetricValue {
        switch self {
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .double(let value): return .double(value)
        case .string(let value): return .string(value)
        case .object where self["double"] == .string("NaN"): return .double(.nan)
        case .object where self["double"] == .string("Infinity"): return .double(.infinity)
        case .object where self["double"] == .string("-Infinity"): return .double(-.infinity)
        default: throw RecordProblem("\(place) must be a number, true, false or a string")
        }
    }

    /// Refuses a member that nobody reads: most likely a slip of the fingers that would silently lose data.
    func allow(_ names: Set<String>, in place: String) throws(RecordProblem) {
        guard case .object(let members) = self else { throw RecordProblem("\(place) must be an object") }
        guard let stranger = members.first(where: { !names.contains($0.name) }) else { return }
        let hint = NearestName.among(names.sorted(), to: stranger.name).map { "; did you mean '\($0)'?" } ?? ""
        throw RecordProblem("\(place) has an unknown member '\(stranger.name)'\(hint)")
    }

    func string(_ name: String) throws(RecordProblem) -> String {
        guard let value = try optionalString(name) else { throw RecordProblem("'\(name)' is missing") }
        return value
    }

    func optionalString(_ name: String) throws(RecordProblem) -> String? {
        guard let value = self[name], value != .null else { return nil }
        guard let text = value.stringValue else { throw RecordProblem("'\(name)' must be a string") }
        return text
    }

    func timestamp(_ name: String) throws(RecordProblem) -> Timestamp {
        guard let time = try optionalTimestamp(name) else { throw RecordProblem("'\(name)' is missing (RFC 3339)") }
        return time
    }

    func optionalTimestamp(_ name: String) throws(RecordProblem) -> Timestamp? {
        guard let text = try optionalString(name) else { return nil }
        do { return try Timestamp(rfc3339: text) } catch { throw RecordProblem("'\(name)' is no RFC 3339 time: '\(text)'") }
    }

    func device(_ name: String) throws(RecordProblem) -> DeviceID {
        let text = try string(name)
        do { return try DeviceID(text) } catch { throw RecordProblem("'\(name)': \(error.reason)") }
    }

    func source(_ name: String) throws(RecordProblem) -> SourceProtocol {
        guard let text = try optionalString(name) else { return .integration }
        guard let source = SourceProtocol.allCases.first(where: { "\($0)" == text }) else {
            throw RecordProblem("'\(name)' must be one of \(SourceProtocol.allCases.map { "\($0)" }.joined(separator: ", "))")
        }
        return source
    }
}
