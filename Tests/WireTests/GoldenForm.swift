import Domain
import Wire

/// The JSON form of golden vectors, as FORMAT.md describes it: 64-bit numbers as text, doubles by their bits.
indirect enum JSONForm {
    case null
    case bool(Bool)
    case number(Int)
    case text(String)
    case list([JSONForm])
    case object([(String, JSONForm)])

    static func int64(_ value: some FixedWidthInteger) -> JSONForm { .text(String(value)) }
    static func optional(_ text: String?) -> JSONForm { text.map { .text($0) } ?? .null }

    /// Pretty-printed with two spaces; objects without inner structure stand on one line.
    func render(indent: String = "") -> String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): String(value)
        case .text(let value): Self.quoted(value)
        case .list(let items):
            items.isEmpty
                ? "[]" : "[\n" + items.map { indent + "  " + $0.render(indent: indent + "  ") }.joined(separator: ",\n") + "\n\(indent)]"
        case .object(let members):
            if members.allSatisfy({ $0.1.isScalar }) && !indent.isEmpty {
                "{" + members.map { "\(Self.quoted($0.0)): \($0.1.render())" }.joined(separator: ", ") + "}"
            } else {
                "{\n" + members.map { "\(indent)  \(Self.quoted($0.0)): \($0.1.render(indent: indent + "  "))" }.joined(separator: ",\n")
                    + "\n\(indent)}"
            }
        }
    }

    private var isScalar: Bool {
        switch self {
        case .list, .object: false
        default: true
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case ..<" ": result += "\\u" + hex(UInt64(scalar.value), digits: 4)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

func hex(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// Sixteen bytes a line.
func hexDump(_ bytes: [UInt8]) -> String {
    stride(from: 0, to: bytes.count, by: 16).map { start in
        bytes[start..<min(start + 16, bytes.count)].map { hex(UInt64($0), digits: 2) }.joined(separator: " ") + "\n"
    }.joined()
}

func bytes(hexDump text: String) -> [UInt8] {
    text.split(whereSeparator: \.isWhitespace).map { UInt8($0, radix: 16) ?? 0 }
}

protocol GoldenMessage: WireMessage, Hashable {
    var form: [(String, JSONForm)] { get }
}

extension TelemetryBatch: GoldenMessage {
    var form: [(String, JSONForm)] {
        [
            ("message", .text("TelemetryBatch")),
            ("device", .text(device.text)),
            ("sequence", sequence.map(Self.form) ?? .null),
            ("ingest_time", .int64(ingestTime.microseconds)),
            ("source", .text("\(source)")),
            ("samples", .list(samples.map(Self.form))),
        ]
    }

    private static func form(_ sequence: StreamSequence) -> JSONForm {
        .object([("stream", .int64(sequence.stream)), ("first", .int64(sequence.first)), ("scope", .text("\(sequence.scope)"))])
    }

    private static func form(_ sample: Sample) -> JSONForm {
        let members: [(String, JSONForm)] = [
            ("metric", .text(sample.metric.text)), ("unit", .optional(sample.unit)), ("time", .int64(sample.time.microseconds)),
            ("quality", .number(Int(sample.quality.rawValue))),
        ]
        return .object(members + JSONForm.members(of: sample.value))
    }
}

extension JSONForm {
    static func members(of value: MetricValue) -> [(String, JSONForm)] {
        switch value {
        case .double(let value):
            [("type", .text("double")), ("bits", .text(hex(value.bitPattern, digits: 16))), ("about", .text("\(value)"))]
        case .int(let value): [("type", .text("int")), ("value", .int64(value))]
        case .bool(let value): [("type", .text("bool")), ("value", .bool(value))]
        case .string(let value): [("type", .text("string")), ("value", .text(value))]
        }
    }
}

extension DeviceEvent: GoldenMessage {
    var form: [(String, JSONForm)] {
        [
            ("message", .text("DeviceEvent")), ("device", .text(device.text)), ("kind", .text(kind.name)), ("reason", .optional(reason)),
            ("session", .optional(session)), ("time", .int64(time.microseconds)), ("ingest_time", .int64(ingestTime.microseconds)),
            ("source", .text("\(source)")),
        ]
    }
}

extension DeadLetter: GoldenMessage {
    var form: [(String, JSONForm)] {
        [
            ("message", .text("DeadLetter")),
            ("payload", .text(payload.map { hex(UInt64($0), digits: 2) }.joined())), ("payload_cut", .bool(isPayloadCut)),
            ("source_topic", .text(sourceTopic)), ("identity", .optional(identity)), ("stage", .text(stage.name)),
            ("reason_code", .text(reasonCode)), ("text", .text(text)), ("time", .int64(time.microseconds)),
            (
                "origin",
                origin.map {
                    .object([("topic", .text($0.topic)), ("partition", .number(Int($0.partition))), ("offset", .int64($0.offset))])
                } ?? .null
            ),
        ]
    }
}
