/// The shape of a JSON value, as far as the documentation tells it (JSON Schema 2020-12, the dialect of OpenAPI 3.1).
public indirect enum Schema: Sendable {
    case string
    /// `date-time`, `uuid`, `binary`, …
    case formatted(String)
    case choice([String])
    case integer
    case number
    case boolean
    case null
    case any
    case array(Schema)
    case object([Member])
    /// An object whose member names are data.
    case map(Schema)
    case oneOf([Schema])
    case described(Schema, String)

    public struct Member: Sendable {
        public let name: String
        public let schema: Schema
        public let isRequired: Bool

        public init(_ name: String, _ schema: Schema, isRequired: Bool = true) {
            self.name = name
            self.schema = schema
            self.isRequired = isRequired
        }
    }

    var json: JSONValue {
        switch self {
        case .string: ["type": "string"]
        case .formatted(let format): ["type": "string", "format": .string(format)]
        case .choice(let values): ["type": "string", "enum": .array(values.map { .string($0) })]
        case .integer: ["type": "integer"]
        case .number: ["type": "number"]
        case .boolean: ["type": "boolean"]
        case .null: ["type": "null"]
        case .any: [:]
        case .array(let element): ["type": "array", "items": element.json]
        case .map(let value): ["type": "object", "additionalProperties": value.json]
        case .oneOf(let schemas): ["oneOf": .array(schemas.map(\.json))]
        case .object(let members): Self.object(members)
        case .described(let schema, let text): schema.json.adding("description", .string(text))
        }
    }

    private static func object(_ members: [Member]) -> JSONValue {
        let properties = JSONValue.object(members.map { ($0.name, $0.schema.json) })
        let required = members.filter(\.isRequired).map { JSONValue.string($0.name) }
        let object: JSONValue = ["type": "object", "properties": properties]
        return required.isEmpty ? object : object.adding("required", .array(required))
    }
}
