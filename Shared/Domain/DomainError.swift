/// A value that breaks a rule of the domain: which rule, in which field, and what was wrong with it.
public struct DomainError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: String, Hashable, Sendable {
        case empty
        case tooLong = "too_long"
        case invalidCharacter = "invalid_character"
        case invalidFormat = "invalid_format"
        case outOfRange = "out_of_range"
    }

    public let code: Code
    /// Name of the field, as a user knows it: `device`, `metric`, `time`.
    public let field: String
    /// One sentence that names the rule and the offending value.
    public let reason: String

    public init(_ code: Code, field: String, reason: String) {
        self.code = code
        self.field = field
        self.reason = reason
    }

    public var description: String { "\(field): \(reason)" }
}
