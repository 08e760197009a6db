import JSON

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

    public mutating func integer(_ value: some BinaryInteger) {
        guard let small = Int64(exactly: value) else { return literal(String(value)) }
        separate()
        append(small)
    }

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

    /// Without a text in between: such numbers are most of an answer.
    private mutating func append(_ value: Int64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = value.magnitude
            var start = 20
            repeat {
                start -= 1
                digits[start] = 0x30 + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 {
                start -= 1
                digits[start] = 0x2D
            }
            bytes.append(contentsOf: digits[start...])
        }
    }

    private mutating func separate() {
        if needsComma { bytes.append(0x2C) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        // Most answers are of this size: one allocation for all of it.
        if bytes.capacity == 0 { bytes.reserveCapacity(480) }
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }
}
