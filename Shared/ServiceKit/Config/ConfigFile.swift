import FoundationEssentials

/// A JSON object whose nested objects are flattened with dots: `{"mqtt": {"host": "b"}}` is `mqtt.host`.
enum ConfigFile {
    static func read(_ path: String) throws(ConfigError) -> [String: ConfigText] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw problem(path, "the file cannot be read; give the path of a JSON file")
        }
        return try parse(data, path: path)
    }

    static func parse(_ data: Data, path: String) throws(ConfigError) -> [String: ConfigText] {
        let root: Node
        do {
            root = try JSONDecoder().decode(Node.self, from: data)
        } catch {
            throw problem(path, "the file is not valid JSON: \(reason(of: error))")
        }
        guard case .object = root else { throw problem(path, "the file is not a JSON object: write {\"group\": {\"setting\": value}}") }
        var flat: [String: ConfigText] = [:]
        do {
            try root.flatten(under: "", into: &flat)
        } catch {
            throw ConfigError([.init(key: error.key, value: nil, source: "file \(path)", reason: error.reason)])
        }
        return flat
    }

    private static func problem(_ path: String, _ reason: String) -> ConfigError {
        ConfigError([.init(key: "config", value: path, source: "command line", reason: reason)])
    }

    private static func reason(of error: any Error) -> String {
        guard case DecodingError.dataCorrupted(let context) = error else { return String(describing: error) }
        return context.underlyingError.map { String(describing: $0) } ?? context.debugDescription
    }

    private struct Fault: Error {
        let key: String
        let reason: String
    }

    private enum Node: Decodable {
        case object([String: Node])
        case array([Node])
        case scalar(String)
        case null

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let value = try? container.decode(Bool.self) {
                self = .scalar(value.description)
            } else if let value = try? container.decode(Int.self) {
                self = .scalar(value.description)
            } else if let value = try? container.decode(Double.self) {
                self = .scalar(value.description)
            } else if let value = try? container.decode(String.self) {
                self = .scalar(value)
            } else if let value = try? container.decode([Node].self) {
                self = .array(value)
            } else {
                self = .object(try container.decode([String: Node].self))
            }
        }

        func flatten(under prefix: String, into flat: inout [String: ConfigText]) throws(Fault) {
            switch self {
            case .object(let members):
                for (key, node) in members { try node.flatten(under: prefix.isEmpty ? key : "\(prefix).\(key)", into: &flat) }
            case .scalar(let text): try Self.set(prefix, .text(text), &flat)
            case .null: throw Fault(key: prefix, reason: "is null; leave the setting out to use its default")
            case .array(let nodes):
                var items: [String] = []
                for node in nodes {
                    guard case .scalar(let text) = node else { throw Fault(key: prefix, reason: "a list holds texts and numbers only") }
                    items.append(text)
                }
                try Self.set(prefix, .list(items), &flat)
            }
        }

        /// `{"a": {"b": 1}, "a.b": 2}` names one setting twice.
        private static func set(_ key: String, _ value: ConfigText, _ flat: inout [String: ConfigText]) throws(Fault) {
            if flat.updateValue(value, forKey: key) != nil { throw Fault(key: key, reason: "is given twice") }
        }
    }
}
