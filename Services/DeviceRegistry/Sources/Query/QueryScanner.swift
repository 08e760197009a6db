/// Why a query cannot be read.
struct QueryFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// Characters from the beginning of the text, counted from 1.
    let position: Int
    /// What is wrong there and what was expected.
    let reason: String

    var description: String { "at character \(position): \(reason)" }
}

/// Steps through the text of a query; what a character means is for the parser to say.
struct QueryScanner {
    private let scalars: [Unicode.Scalar]
    private(set) var offset = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    /// Of the next character that is no space.
    mutating func next() -> Unicode.Scalar? {
        while let scalar = current, scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r" { offset += 1 }
        return current
    }

    /// The character at hand, spaces included.
    var current: Unicode.Scalar? { offset < scalars.count ? scalars[offset] : nil }

    mutating func skip() { offset += 1 }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next() == scalar else { return false }
        offset += 1
        return true
    }

    /// The longest run of characters of a kind, from here on.
    mutating func run(_ belongs: (Unicode.Scalar) -> Bool) -> String {
        var text = String.UnicodeScalarView()
        while let scalar = current, belongs(scalar) {
            text.append(scalar)
            offset += 1
        }
        return String(text)
    }

    func fault(_ reason: String, at offset: Int? = nil) -> QueryFault {
        QueryFault(position: (offset ?? self.offset) + 1, reason: reason)
    }

    /// "expected this, found that".
    mutating func missing(_ expected: String) -> QueryFault {
        guard let found = next() else { return fault("expected \(expected), found the end") }
        return fault("expected \(expected), found '\(Self.shown(found))'")
    }

    /// A text in single or double quotes, with the escapes of JSON and `\'`.
    /// - Parameter isPattern: leave `\*`, `\?` and `\\` as they are, for `LikePattern`.
    mutating func quotedText(isPattern: Bool = false) throws(QueryFault) -> String {
        let start = offset
        guard let quote = current else { throw missing("a text in quotes") }
        offset += 1
        var text = String.UnicodeScalarView()
        while let scalar = current {
            offset += 1
            switch scalar {
            case quote: return String(text)
            case "\\":
                if isPattern, let next = current, next == "*" || next == "?" || next == "\\" {
                    text.append(scalar)
                    text.append(next)
                    offset += 1
                } else {
                    text.append(try escape())
                }
            case "\u{0}": throw fault("a text cannot hold U+0000", at: offset - 1)
            default: text.append(scalar)
            }
        }
        throw fault("the text that begins here has no closing \(quote)", at: start)
    }

    /// Behind the backslash. What only patterns need is left to them.
    private mutating func escape() throws(QueryFault) -> Unicode.Scalar {
        guard let scalar = current else { throw fault("a backslash stands at the end") }
        offset += 1
        switch scalar {
        case "\"", "'", "\\", "/": return scalar
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "u":
            let digits = (0..<4).compactMap { _ -> Unicode.Scalar? in
                defer { offset += 1 }
                return current
            }
            guard digits.count == 4, digits.allSatisfy(\.properties.isASCIIHexDigit),
                let code = UInt32(String(String.UnicodeScalarView(digits)), radix: 16), code != 0, let scalar = Unicode.Scalar(code)
            else { throw fault("\\u needs four hexadecimal digits of a character, not of a surrogate or U+0000", at: offset - 1) }
            return scalar
        default:
            throw fault("'\\\(Self.shown(scalar))' is no escape; known are \\\" \\' \\\\ \\/ \\n \\r \\t \\uXXXX", at: offset - 2)
        }
    }

    /// What may stand in a step of a field's path without quotes.
    static func isBare(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x2D, 0x2F, 0x3A, 0x5F: true  // - / : _
        default: false
        }
    }

    static func isBare(_ scalar: Unicode.Scalar) -> Bool { scalar.isASCII && isBare(UInt8(scalar.value)) }

    /// A text as it may stand in a query.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Control characters do not belong in a message.
    static func shown(_ scalar: Unicode.Scalar) -> String {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "U+" + String(scalar.value, radix: 16) : String(scalar)
    }
}
