/// A word, a punctuation character or a literal of a Swift file, with the line it stands on (from 1).
struct SwiftToken: Sendable, Equatable {
    enum Kind: Sendable { case word, punctuation, string }

    let kind: Kind
    let text: String
    let line: Int
    /// Nothing stands between this token and the one before.
    let touchesPrevious: Bool

    func `is`(_ text: String) -> Bool { kind != .string && self.text == text }
}

/// Takes a Swift file apart just far enough for the rules: comments and the insides of string literals are set aside, so that a rule
/// about code never stumbles over a text.
struct SwiftLexer {
    private(set) var tokens: [SwiftToken] = []
    /// Lines that hold a comment or a part of one.
    private(set) var commentLines: Set<Int> = []
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var previousEnd = -1

    init(_ text: String) {
        bytes = Array(text.utf8)
        while position < bytes.count { step() }
    }

    private func byte(_ offset: Int = 0) -> UInt8 {
        let index = position + offset
        return index < bytes.count ? bytes[index] : 0
    }

    private func matches(_ text: StaticString) -> Bool {
        guard position + text.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[position + $0] == text.utf8Start[$0] }
    }

    private mutating func step() {
        switch byte() {
        case UInt8(ascii: "\n"):
            line += 1
            position += 1
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
        case UInt8(ascii: "/") where matches("//"): lineComment()
        case UInt8(ascii: "/") where matches("/*"): blockComment()
        case UInt8(ascii: "\""): string(pounds: 0)
        case UInt8(ascii: "#") where poundsBeforeQuote() > 0: string(pounds: poundsBeforeQuote())
        case let first where Self.isWord(first): word()
        default: add(.punctuation, from: position, to: position + 1)
        }
    }

    private mutating func add(_ kind: SwiftToken.Kind, from start: Int, to end: Int, line startLine: Int? = nil) {
        let text = String(decoding: bytes[start..<end], as: UTF8.self)
        tokens.append(SwiftToken(kind: kind, text: text, line: startLine ?? line, touchesPrevious: start == previousEnd))
        position = end
        previousEnd = end
    }

    private mutating func word() {
        var end = position
        while end < bytes.count, Self.isWord(bytes[end]) { end += 1 }
        add(.word, from: position, to: end)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), 0x80...0xFF:
            true
        default: false
        }
    }

    private mutating func lineComment() {
        commentLines.insert(line)
        while position < bytes.count, byte() != UInt8(ascii: "\n") { position += 1 }
    }

    private mutating func blockComment() {
        var depth = 0
        repeat {
            commentLines.insert(line)
            if matches("/*") {
                depth += 1
                position += 2
            } else if matches("*/") {
                depth -= 1
                position += 2
            } else {
                if byte() == UInt8(ascii: "\n") { line += 1 }
                position += 1
            }
        } while depth > 0 && position < bytes.count
    }

    private func poundsBeforeQuote() -> Int {
        var count = 0
        while byte(count) == UInt8(ascii: "#") { count += 1 }
        return byte(count) == UInt8(ascii: "\"") ? count : 0
    }

    private mutating func string(pounds: Int) {
        let start = position
        let startLine = line
        position += pounds
        let isLong = matches("\"\"\"")
        let quotes = isLong ? 3 : 1
        position += quotes
        while position < bytes.count {
            if byte() == UInt8(ascii: "\""), closes(quotes: quotes, pounds: pounds) {
                position += quotes + pounds
                break
            }
            if byte() == UInt8(ascii: "\\"), (0..<pounds).allSatisfy({ byte(1 + $0) == UInt8(ascii: "#") }) {
                position += 1 + pounds
                if byte() == UInt8(ascii: "(") { interpolation() } else { position += 1 }
            } else {
                if byte() == UInt8(ascii: "\n") { line += 1 }
                position += 1
            }
        }
        add(.string, from: start, to: min(position, bytes.count), line: startLine)
    }

    private func closes(quotes: Int, pounds: Int) -> Bool {
        (0..<quotes).allSatisfy { byte($0) == UInt8(ascii: "\"") } && (0..<pounds).allSatisfy { byte(quotes + $0) == UInt8(ascii: "#") }
    }

    /// Skips to the closing parenthesis; strings inside may hold parentheses themselves.
    private mutating func interpolation() {
        let tokensBefore = tokens.count
        var depth = 0
        repeat {
            if byte() == UInt8(ascii: "(") { depth += 1 }
            if byte() == UInt8(ascii: ")") { depth -= 1 }
            step()
        } while depth > 0 && position < bytes.count
        tokens.removeSubrange(tokensBefore...)
    }
}
