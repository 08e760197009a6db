import JSON

/// A JSON document whose members keep their order, so that generated documents are stable.
enum JSONValue: ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    case string(String)
    case integer(Int)
    case number(Double)
    case bool(Bool)
    case array([JSONValue])
    case object([(String, JSONValue)])

    init(stringLiteral value: String) { self = .string(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements) }

    /// With one more member at the end; only objects have members.
    func adding(_ name: String, _ value: JSONValue) -> JSONValue {
        guard case .object(let members) = self else { return self }
        return .object(members + [(name, value)])
    }

    /// Two spaces a level, members in their order.
    func append(to bytes: inout [UInt8], indent: Int = 0) {
        switch self {
        case .string(let text): JSONText.append(text, to: &bytes)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value): bytes.append(contentsOf: JSONWriter.text(of: value).utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .array(let elements):
            Self.appendList(elements.count, "[", "]", indent, to: &bytes) { index, bytes in
                elements[index].append(to: &bytes, indent: indent + 1)
            }
        case .object(let members):
            Self.appendList(members.count, "{", "}", indent, to: &bytes) { index, bytes in
                JSONText.append(members[index].0, to: &bytes)
                bytes.append(contentsOf: ": ".utf8)
                members[index].1.append(to: &bytes, indent: indent + 1)
            }
        }
    }

    private static func appendList(
        _ count: Int, _ open: String, _ close: String, _ indent: Int, to bytes: inout [UInt8], _ element: (Int, inout [UInt8]) -> Void
    ) {
        bytes.append(contentsOf: open.utf8)
        for index in 0..<count {
            bytes.append(contentsOf: index == 0 ? "\n".utf8 : ",\n".utf8)
            bytes.append(contentsOf: repeatElement(0x20, count: 2 * (indent + 1)))
            element(index, &bytes)
        }
        if count > 0 {
            bytes.append(0x0A)
            bytes.append(contentsOf: repeatElement(0x20, count: 2 * indent))
        }
        bytes.append(contentsOf: close.utf8)
    }
}
