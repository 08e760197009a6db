import Domain

/// A question about devices that is true or false of each of them.
///
/// There is no third truth value. Where a device lacks the field, every comparison with it is false, `ne` alone is true: it is exactly the
/// opposite of `eq`. So `not(x)` selects exactly the devices that `x` does not.
indirect enum QueryTree: Hashable, Sendable {
    case all([QueryTree])
    case any([QueryTree])
    case not(QueryTree)
    case compare(QueryField, Comparison, QueryLiteral)
    /// The field is a text that fits the pattern.
    case like(QueryField, LikePattern)
    case among(QueryField, [QueryLiteral])
    /// The field has a value; a JSON null is none.
    case exists(QueryField)

    enum Comparison: String, CaseIterable, Sendable {
        case eq, ne, lt, le, gt, ge

        /// Whether values are only told apart, not put in order.
        var isEquality: Bool { self == .eq || self == .ne }
    }
}

/// A value that a query compares with.
///
/// Texts are ordered by their bytes. Numbers of a JSON field compare by value, whether written `3` or `3.0`. A JSON value of another type
/// than the literal's is neither equal to it nor before or behind it.
enum QueryLiteral: Hashable, Sendable {
    case text(String)
    case integer(Int64)
    /// Never infinite, never NaN.
    case number(Double)
    case bool(Bool)
    case time(Timestamp)
}

/// `*` stands for any run of characters, `?` for one; a backslash takes the meaning from the character behind it. Case counts.
struct LikePattern: Hashable, Sendable {
    enum Part: Hashable, Sendable {
        case anything
        case one
        case scalar(Unicode.Scalar)
    }

    let parts: [Part]

    init(_ text: String) {
        var parts: [Part] = []
        var isEscaped = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case _ where isEscaped:
                parts.append(.scalar(scalar))
                isEscaped = false
            case "\\": isEscaped = true
            case "*": if parts.last != .anything { parts.append(.anything) }
            case "?": parts.append(.one)
            default: parts.append(.scalar(scalar))
            }
        }
        if isEscaped { parts.append(.scalar("\\")) }
        self.parts = parts
    }

    /// The same as a pattern of SQL's LIKE with its usual escape character.
    var sql: String {
        var text = ""
        for part in parts {
            switch part {
            case .anything: text += "%"
            case .one: text += "_"
            case .scalar(let scalar):
                if scalar == "%" || scalar == "_" || scalar == "\\" { text += "\\" }
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
