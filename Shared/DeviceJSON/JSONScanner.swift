internal import Domain

/// Text of the document: a piece of the payload, or of the arena when it had escapes.
struct TextSlice {
    var start: Int32 = 0
    var count: Int32 = 0
    var inArena = false
}

/// Any JSON value, classified but not interpreted. Objects and arrays have been checked and passed over.
struct JSONValue {
    enum Kind: UInt8 { case absent, string, number, yes, no, null, container }
    var kind = Kind.absent
    var text = TextSlice()
    var number = JSONNumber()
    var offset: Int32 = 0
}

/// Single-pass reader of RFC 8259 text over borrowed bytes. It never reads outside of them, allocates only to decode
/// escapes (into a reused arena), and bounds depth and length of what it reads.
struct JSONScanner: ~Copyable {
    private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var index = 0
    /// Decoded text is never longer than what it was decoded from: with the payload's size reserved, the arena does not move.
    private var arena = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var arenaCount = 0
    let maximumDepth: Int

    init(maximumDepth: Int) { self.maximumDepth = maximumDepth }

    deinit { arena.deallocate() }

    mutating func start(_ payload: UnsafeRawBufferPointer) {
        bytes = payload
        index = 0
        arenaCount = 0
    }

    mutating func advance(to position: Int) { index = position }

    /// Forgets the borrowed bytes.
    mutating func finish() { bytes = UnsafeRawBufferPointer(start: nil, count: 0) }

    /// The text itself, valid until `finish` or the next `start`.
    @inline(__always)
    func text(_ slice: TextSlice) -> UnsafeRawBufferPointer {
        let range = Int(slice.start)..<Int(slice.start) + Int(slice.count)
        return UnsafeRawBufferPointer(rebasing: slice.inArena ? UnsafeRawBufferPointer(arena)[range] : bytes[range])
    }

    // MARK: Structure

    @inline(__always)
    mutating func skipWhitespace() {
        while index < bytes.count {
            let byte = bytes[index]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            index += 1
        }
    }

    /// The next significant byte, 0 at the end (0 is no legal byte of JSON outside of strings, nor in them).
    @inline(__always)
    mutating func peek() -> UInt8 {
        skipWhitespace()
        return index < bytes.count ? bytes[index] : 0
    }

    @inline(__always)
    mutating func consume(_ expected: UInt8) -> Bool {
        guard peek() == expected else { return false }
        index += 1
        return true
    }

    mutating func expect(_ expected: UInt8, _ what: String) throws(DeviceJSONError) {
        guard consume(expected) else { throw DeviceJSONError(.jsonMalformed, "expected \(what)", at: index) }
    }

    mutating func expectEnd() throws(DeviceJSONError) {
        skipWhitespace()
        guard index == bytes.count else { throw DeviceJSONError(.jsonMalformed, "expected the end of the payload", at: index) }
    }

    func checkDepth(_ depth: Int) throws(DeviceJSONError) {
        guard depth <= maximumDepth else { throw DeviceJSONError(.jsonTooDeep, "more than \(maximumDepth) levels", at: index) }
    }

    /// Opens an object or array whose level is `depth`; `false` when it is empty, and then already closed.
    @inline(__always)
    mutating func open(_ bracket: UInt8, depth: Int) throws(DeviceJSONError) -> Bool {
        try checkDepth(depth)
        index += 1
        guard peek() == bracket + 2 else { return true }  // '[' + 2 == ']', '{' + 2 == '}'
        index += 1
        return false
    }

    /// After a member or element: `true` when another one follows.
    @inline(__always)
    mutating func next(closing bracket: UInt8) throws(DeviceJSONError) -> Bool {
        let byte = peek()
        index += 1
        if byte == UInt8(ascii: ",") { return true }
        if byte == bracket { return false }
        index -= 1
        throw DeviceJSONError(.jsonMalformed, bracket == UInt8(ascii: "}") ? "expected ',' or '}'" : "expected ',' or ']'", at: index)
    }

    /// A member's name and its colon.
    @inline(__always)
    mutating func readName() throws(DeviceJSONError) -> TextSlice {
        guard peek() == UInt8(ascii: "\"") else { throw DeviceJSONError(.jsonMalformed, "expected a member name", at: index) }
        let name = try readString()
        try expect(UInt8(ascii: ":"), "':'")
        return name
    }

    // MARK: Values

    /// - Parameter depth: level of an object or array that stands here.
    mutating func readValue(depth: Int) throws(DeviceJSONError) -> JSONValue {
        var value = JSONValue()
        let byte = peek()
        value.offset = Int32(truncatingIfNeeded: index)
        switch byte {
        case UInt8(ascii: "\""):
            value.kind = .string
            value.text = try readString()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            value.kind = .number
            value.number = try readNumber()
            value.text = TextSlice(start: value.offset, count: Int32(truncatingIfNeeded: index) - value.offset)
        case UInt8(ascii: "t"): value.kind = try readLiteral("true", .yes)
        case UInt8(ascii: "f"): value.kind = try readLiteral("false", .no)
        case UInt8(ascii: "n"): value.kind = try readLiteral("null", .null)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            value.kind = .container
            try skipContainer(byte, depth: depth)
        default: throw DeviceJSONError(.jsonMalformed, "expected a value", at: index)
        }
        return value
    }

    private mutating func skipContainer(_ bracket: UInt8, depth: Int) throws(DeviceJSONError) {
        guard try open(bracket, depth: depth) else { return }
        repeat {
            if bracket == UInt8(ascii: "{") { _ = try readName() }
            _ = try readValue(depth: depth + 1)
        } while try next(closing: bracket + 2)
    }

    private mutating func readLiteral(_ word: StaticString, _ kind: JSONValue.Kind) throws(DeviceJSONError) -> JSONValue.Kind {
        let count = word.utf8CodeUnitCount
        var position = 0
        while position < count {
            guard index + position < bytes.count, bytes[index + position] == word.utf8Start[position] else {
                throw DeviceJSONError(.jsonMalformed, "expected \(word)", at: index)
            }
            position += 1
        }
        index += count
        return kind
    }

    // MARK: Strings

    /// Stands at the opening quote.
    @inline(__always)
    mutating func readString() throws(DeviceJSONError) -> TextSlice {
        let start = index + 1
        var position = start
        var seen: UInt8 = 0
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                index = position + 1
                if seen >= 0x80 { try checkUTF8(start..<position) }
                return TextSlice(start: Int32(truncatingIfNeeded: start), count: Int32(truncatingIfNeeded: position - start))
            }
            if byte == UInt8(ascii: "\\") { return try readEscapedString(from: start, firstEscape: position) }
            guard byte >= 0x20 else { throw DeviceJSONError(.jsonMalformed, "control character in text", at: position) }
            seen |= byte
            position += 1
        }
        throw DeviceJSONError(.jsonMalformed, "text without its closing quote", at: start - 1)
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) {
        arena[arenaCount] = byte
        arenaCount += 1
    }

    private func checkUTF8(_ range: Range<Int>) throws(DeviceJSONError) {
        guard TextRule.isText(UnsafeRawBufferPointer(rebasing: bytes[range])) else {
            throw DeviceJSONError(.utf8Invalid, "text", at: range.lowerBound)
        }
    }

    private mutating func readEscapedString(from start: Int, firstEscape: Int) throws(DeviceJSONError) -> TextSlice {
        if arena.count < bytes.count {
            arena.deallocate()
            arena = .allocate(byteCount: max(bytes.count, 4_096), alignment: 1)
        }
        let arenaStart = arenaCount
        for position in start..<firstEscape { append(bytes[position]) }
        var plain = start
        index = firstEscape
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                try checkUTF8(plain..<index)
                index += 1
                return TextSlice(
                    start: Int32(truncatingIfNeeded: arenaStart), count: Int32(truncatingIfNeeded: arenaCount - arenaStart), inArena: true)
            }
            if byte == UInt8(ascii: "\\") {
                try checkUTF8(plain..<index)
                try readEscape()
                plain = index
                continue
            }
            guard byte >= 0x20 else { throw DeviceJSONError(.jsonMalformed, "control character in text", at: index) }
            append(byte)
            index += 1
        }
        throw DeviceJSONError(.jsonMalformed, "text without its closing quote", at: start - 1)
    }

    /// Stands at the backslash.
    private mutating func readEscape() throws(DeviceJSONError) {
        let start = index
        guard index + 1 < bytes.count else { throw DeviceJSONError(.jsonMalformed, "escape cut off", at: start) }
        let letter = bytes[index + 1]
        index += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): append(letter)
        case UInt8(ascii: "b"): append(0x08)
        case UInt8(ascii: "f"): append(0x0C)
        case UInt8(ascii: "n"): append(0x0A)
        case UInt8(ascii: "r"): append(0x0D)
        case UInt8(ascii: "t"): append(0x09)
        case UInt8(ascii: "u"): try appendScalar(escapeStart: start)
        default: throw DeviceJSONError(.jsonMalformed, "unknown escape", at: start)
        }
    }

    private mutating func appendScalar(escapeStart: Int) throws(DeviceJSONError) {
        var code = UInt32(try readHex(escapeStart))
        if (0xD800...0xDBFF).contains(code) {
            guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") else {
                throw DeviceJSONError(.utf8Invalid, "lone surrogate", at: escapeStart)
            }
            index += 2
            let low = UInt32(try readHex(escapeStart))
            guard (0xDC00...0xDFFF).contains(low) else { throw DeviceJSONError(.utf8Invalid, "lone surrogate", at: escapeStart) }
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw DeviceJSONError(.utf8Invalid, "lone surrogate", at: escapeStart) }
        for unit in scalar.utf8 { append(unit) }
    }

    private mutating func readHex(_ escapeStart: Int) throws(DeviceJSONError) -> UInt16 {
        guard index + 4 <= bytes.count else { throw DeviceJSONError(.jsonMalformed, "escape cut off", at: escapeStart) }
        var code: UInt16 = 0
        for position in index..<index + 4 {
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw DeviceJSONError(.jsonMalformed, "escape with a digit that is not hexadecimal", at: escapeStart)
            }
            code = code << 4 | UInt16(digit)
        }
        index += 4
        return code
    }
}
