import JSON

/// Name of a device type or of a group: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or digit.
struct RegistryName: Hashable, Sendable, CustomStringConvertible {
    static let allowed = "1…64 of a-z 0-9 . _ -, beginning with a letter or digit"

    let text: String
    var description: String { text }

    /// Nil when the text is no such name.
    init?(_ text: String) {
        let isName = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard (1...64).contains(text.utf8.count), isName, let first = text.utf8.first, ![0x2D, 0x2E, 0x5F].contains(first) else {
            return nil
        }
        self.text = text
    }

    init(_ value: JSONValue, at place: String) throws(FieldFault) {
        guard case .string(let text) = value else { throw FieldFault(.wrongType, place, "must be a string") }
        guard let name = RegistryName(text) else { throw FieldFault(.invalidValue, place, "must be \(Self.allowed)") }
        self = name
    }
}
