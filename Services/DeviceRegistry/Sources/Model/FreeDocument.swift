import JSON

/// A JSON object whose members are the user's own: attributes and facts. Its members are in the order of their names at every depth.
struct FreeDocument: Hashable, Sendable {
    /// Of its text.
    static let maximumBytes = 16_384
    static let maximumDepth = 8

    let json: JSONValue

    init() { json = .object([JSONValue.Member]()) }

    init(_ value: JSONValue, at path: String) throws(FieldFault) {
        guard value.objectValue != nil else { throw FieldFault(.wrongType, path, "must be an object") }
        try Self.check(value, at: path, depth: 1)
        let sorted = Self.settled(value.sorted)
        let count = sorted.bytes.count
        guard count <= Self.maximumBytes else {
            throw FieldFault(.tooLong, path, "has \(count) bytes of JSON, at most \(Self.maximumBytes) are allowed")
        }
        json = sorted
    }

    /// The database stores no U+0000, and nobody can look for it.
    private static func check(_ value: JSONValue, at path: String, depth: Int) throws(FieldFault) {
        switch value {
        case .string(let text) where text.utf8.contains(0):
            throw FieldFault(.invalidValue, path, "holds the character U+0000")
        case .object(let members):
            guard depth <= maximumDepth else { throw FieldFault(.invalidValue, path, "is nested deeper than \(maximumDepth)") }
            for member in members {
                let place = ObjectReader.join(path, member.name)
                if member.name.utf8.contains(0) { throw FieldFault(.invalidValue, path, "has a name that holds the character U+0000") }
                try check(member.value, at: place, depth: depth + 1)
            }
        case .array(let values):
            guard depth <= maximumDepth else { throw FieldFault(.invalidValue, path, "is nested deeper than \(maximumDepth)") }
            for (index, value) in values.enumerated() { try check(value, at: "\(path)[\(index)]", depth: depth + 1) }
        default: return
        }
    }

    /// Numbers as the database gives them back, so that what was stored equals what is sent again: `1e16` is the integer, `-0.0` is `0.0`.
    private static func settled(_ value: JSONValue) -> JSONValue {
        switch value {
        case .double(let number) where number == 0: .double(0)
        case .double(let number) where number.magnitude >= 1e16:
            Int64(exactly: number).map { .int($0) } ?? UInt64(exactly: number).map { .unsigned($0) } ?? value
        case .array(let values): .array(values.map(settled))
        case .object(let members): .object(members.map { JSONValue.Member(name: $0.name, value: settled($0.value)) })
        default: value
        }
    }
}
