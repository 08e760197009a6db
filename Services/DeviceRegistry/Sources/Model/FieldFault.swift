/// A member of a document that breaks a rule: which, where, and what to do.
struct FieldFault: Error, Hashable, CustomStringConvertible {
    /// Stable, for programs; the raw value is what clients see.
    enum Code: String, CaseIterable, Sendable {
        case unknownMember = "unknown_member"
        case readOnlyMember = "read_only_member"
        case missingMember = "missing_member"
        case wrongType = "wrong_type"
        case invalidValue = "invalid_value"
        case tooLong = "too_long"
        case tooMany = "too_many"

        /// For the documentation.
        var meaning: String {
            switch self {
            case .unknownMember: "The document has a member that is not known; `field` names it."
            case .readOnlyMember: "The registry itself keeps this member; leave it out."
            case .missingMember: "A member that is needed is missing."
            case .wrongType: "A member has a value of another JSON type than it may."
            case .invalidValue: "A member's value breaks its rule; the detail tells the rule."
            case .tooLong: "A member's value is longer than it may be."
            case .tooMany: "A member holds more entries than it may."
            }
        }
    }

    let code: Code
    /// Path of the member: `location.latitude`, `labels.site`, `metrics[2].name`.
    let field: String
    let reason: String

    init(_ code: Code, _ field: String, _ reason: String) {
        self.code = code
        self.field = field
        self.reason = reason
    }

    var description: String { "member '\(field)' \(reason)" }
}
