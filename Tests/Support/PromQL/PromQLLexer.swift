/// A PromQL text that cannot be read, or that is outside of the part of PromQL that our dashboards and rules use.
public struct PromQLError: Error, Hashable, CustomStringConvertible {
    public let description: String
}

enum PromQLToken: Hashable {
    case word(String)
    case number(String)
    case text(String)
    /// `[5m]`, `[$__rate_interval]`.
    case range(String)
    case mark(String)
    case end
}

/// Splits PromQL into words, numbers, texts, ranges and marks.
struct PromQLLexer {
    private let characters: [Character]
    private var index = 0

    init(_ text: String) { characters = Array(text) }

    static func tokens(of text: String) throws -> [PromQLToken] {
        var lexer = PromQLLexer(text)
        var tokens: [PromQLToken] = []
        while let token = try lexer.next() { tokens.append(token) }
        return tokens + [.end]
    }

    private mutating func next() throws -> PromQLToken? {
        while let blank = current, blank.isWhitespace { index += blank.isWhitespace ? 1 : 0 }
        guard let first = current else { return nil }
        if first.isLetter || first == "_" || first == ":" { return .word(take { $0.isLetter || $0.isNumber || $0 == "_" || $0 == ":" }) }
        if first.isNumber || first == "." { return number() }
        switch first {
        case "\"", "'": return .text(try quoted(first))
        case "[": return .range(try bracketed())
        default: return try mark()
        }
    }

    private var current: Character? { index < characters.count ? characters[index] : nil }

    private mutating func take(while holds: (Character) -> Bool) -> String {
        let start = index
        while let character = current, holds(character) { index += 1 }
        return String(characters[start..<index])
    }

    /// `5`, `0.99`, `1e3`, and durations behind `offset`: `5m`.
    private mutating func number() -> PromQLToken { .number(take { $0.isLetter || $0.isNumber || $0 == "." }) }

    private mutating func quoted(_ quote: Character) throws -> String {
        index += 1
        var taken = ""
        while let character = current {
            index += 1
            if character == quote { return taken }
            if character == "\\", let escaped = current {
                index += 1
                taken.append(escaped)
            } else {
                taken.append(character)
            }
        }
        throw PromQLError(description: "a text is not closed")
    }

    private mutating func bracketed() throws -> String {
        index += 1
        let inside = take { $0 != "]" }
        guard current == "]" else { throw PromQLError(description: "[\(inside) is not closed") }
        index += 1
        let isDuration = !inside.isEmpty && inside.allSatisfy { $0.isNumber || "smhdwy".contains($0) } && inside.last?.isLetter == true
        guard isDuration || inside.hasPrefix("$__") else { throw PromQLError(description: "[\(inside)] is no duration") }
        return inside
    }

    private mutating func mark() throws -> PromQLToken {
        let pair = String(characters[index..<min(index + 2, characters.count)])
        if ["==", "!=", ">=", "<=", "=~", "!~"].contains(pair) {
            index += 2
            return .mark(pair)
        }
        let single = String(characters[index])
        guard "(){},=+-*/%^<>".contains(single) else { throw PromQLError(description: "\(single) cannot be read") }
        index += 1
        return .mark(single)
    }
}
