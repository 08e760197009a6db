/// Strict single-pass JSON reader (RFC 8259) with a bounded depth. For lines of tens of bytes to a megabyte.
public struct JSONReader {
    /// Why a text was refused.
    public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
        public enum Kind: Hashable, Sendable {
            case syntax
            case tooDeep
            /// The member that stands twice in one object.
            case duplicate(String)
        }

        public let kind: Kind
        public let reason: String
        /// Bytes from the beginning of the text.
        public let offset: Int
        public var description: String { "\(reason) at byte \(offset)" }
    }

    /// Nesting that is read unless the caller sets another limit.
    public static let maximumDepth = 32

    private let bytes: [UInt8]
    private let depthLimit: Int
    private var position = 0

    /// The one value that `text` holds.
    public static func parse(_ text: String) throws(Problem) -> JSONValue { try parse(Array(text.utf8)) }

    /// - Parameter maximumDepth: how many arrays and objects may lie within each other, the innermost value counted too.
    public static func parse(_ bytes: [UInt8], maximumDepth: Int = maximumDepth) throws(Problem) -> JSONValue {
        var reader = JSONReader(bytes: bytes, depthLimit: maximumDepth)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.position == bytes.count else { throw reader.problem("text behind the value") }
        return value
    }

    private init(bytes: [UInt8], depthLimit: Int) {
        self.bytes = bytes
        self.depthLimit = depthLimit
    }

    private func problem(_ reason: String, _ kind: Problem.Kind = .syntax) -> Problem {
        Problem(kind: kind, reason: reason, offset: position)
    }
    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        guard current == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(Problem) -> JSONValue {
        guard depth < depthLimit else { throw problem("nested deeper than \(depthLimit)", .tooDeep) }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): return try object(depth)
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw problem("a value is missing")
        default: return try number()
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Problem) -> JSONValue {
        guard bytes[position...].starts(with: word.utf8) else { throw problem("not a JSON value") }
        position += word.utf8.count
        return value
    }

    private mutating func object(_ depth: Int) throws(Problem) -> JSONValue {
        position += 1
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw problem("a member name is missing") }
            let name = try string()
            guard names.insert(name).inserted else { throw problem("member \"\(name)\" stands twice", .duplicate(name)) }
            skipSpace()
            guard take(":") else { throw problem("':' is missing") }
            members.append(JSONValue.Member(name: name, value: try value(depth: depth + 1)))
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw problem("',' or '}' is missing") }
        }
    }

    private mutating func array(_ depth: Int) throws(Problem) -> JSONValue {
        position += 1
        var values: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(values) }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if take("]") { return .array(values) }
            guard take(",") else { throw problem("',' or ']' is missing") }
        }
    }

    private mutating func number() throws(Problem) -> JSONValue {
        let start = position
        _ = take("-")
        guard let first = current, (0x30...0x39).contains(first) else { throw problem("not a JSON value") }
        position += 1
        if first != 0x30 { skipDigits() }
        var isInteger = true
        if take(".") {
            isInteger = false
            guard skipDigits() > 0 else { throw problem("digits are missing behind '.'") }
        }
        if take("e") || take("E") {
            isInteger = false
            _ = take("+") || take("-")
            guard skipDigits() > 0 else { throw problem("digits are missing in the exponent") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger {
            if let value = Int64(text) { return .int(value) }
            if let value = UInt64(text) { return .unsigned(value) }
        }
        guard let value = Double(text), value.isFinite else { throw problem("number out of range") }
        return .double(value)
    }

    @discardableResult
    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = current, (0x30...0x39).contains(byte) { position += 1 }
        return position - start
    }

    private mutating func string() throws(Problem) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let string = String(validating: text, as: UTF8.self) else { throw problem("not UTF-8") }
                return string
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &text)
            case 0..<0x20: throw problem("a control character in a string")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw problem("the closing '\"' is missing")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Problem) {
        guard let byte = current else { throw problem("the closing '\"' is missing") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: Array(String(Character(try unicode())).utf8))
        default: throw problem("unknown escape")
        }
    }

    private mutating func unicode() throws(Problem) -> Unicode.Scalar {
        let high = try hex4()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard high < 0xDC00, take("\\"), take("u") else { throw problem("half of a surrogate pair") }
        let low = try hex4()
        guard (0xDC00...0xDFFF).contains(low), let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)) else {
            throw problem("half of a surrogate pair")
        }
        return scalar
    }

    private mutating func hex4() throws(Problem) -> UInt32 {
        guard position + 4 <= bytes.count else { throw problem("four hex digits are missing") }
        var value: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw problem("four hex digits are missing") }
            value = value << 4 | UInt32(digit)
        }
        position += 4
        return value
    }
}
