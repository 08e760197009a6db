import HTTPServer

/// Writes JSON text piece by piece (RFC 8259), placing commas and escapes; the caller keeps objects and arrays balanced.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init() {}

    /// Gives up what was written so far; the place in the document is kept.
    public mutating func takeBytes() -> [UInt8] {
        let taken = bytes
        bytes = []
        return taken
    }

    public mutating func beginObject() { open(0x7B) }
    public mutating func endObject() { close(0x7D) }
    public mutating func beginArray() { open(0x5B) }
    public mutating func endArray() { close(0x5D) }

    public mutating func key(_ name: String) {
        separate()
        JSONText.append(name, to: &bytes)
        bytes.append(0x3A)
        needsComma = false
    }

    public mutating func string(_ value: String) {
        separate()
        JSONText.append(value, to: &bytes)
    }

    public mutating func integer(_ value: some BinaryInteger) { literal(String(value)) }

    /// The shortest text that reads back as the same number; JSON has no infinity and no NaN: `null`.
    public mutating func number(_ value: Double) { literal(Self.text(of: value)) }

    public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }
    public mutating func null() { literal("null") }

    /// A line feed between documents of a stream.
    public mutating func newline() {
        bytes.append(0x0A)
        needsComma = false
    }

    static func text(of value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == value.rounded(), abs(value) < 1e15 { return value == 0 && value.sign == .minus ? "-0.0" : String(Int64(value)) }
        return value.description
    }

    private mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func separate() {
        if needsComma { bytes.append(0x2C) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }
}
