/// Why a message cannot be read or written: what is wrong, in which field, at which byte.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: String, Hashable, Sendable, CaseIterable {
        /// The message ends before the field does.
        case truncated
        /// The first byte is not 0x4D: these are not bytes of this format.
        case badMagic = "bad_magic"
        /// Another message than the one asked for, or one of a newer platform.
        case unknownSchema = "unknown_schema"
        /// Version 0.
        case invalidVersion = "invalid_version"
        /// A flag that this build does not know: flags change the layout, so nothing after it can be read.
        case unknownFlags = "unknown_flags"
        /// A varint of more than ten bytes, or of more than 64 bits.
        case varintTooLong = "varint_too_long"
        /// A length or a count beyond its limit.
        case limitExceeded = "limit_exceeded"
        /// Text that is not well-formed UTF-8, or holds a character that its field forbids.
        case invalidUTF8 = "invalid_utf8"
        /// A value that its field cannot have.
        case invalidField = "invalid_field"
        /// Bytes after the end of a message whose version this build knows in full.
        case trailingBytes = "trailing_bytes"
    }

    public let code: Code
    /// Reading: byte offset in the message. Building a batch: index of the sample. Otherwise 0.
    public let offset: Int
    /// Name of the field as in FORMAT.md.
    public let field: String

    public init(_ code: Code, offset: Int, field: String) {
        self.code = code
        self.offset = offset
        self.field = field
    }

    /// Out of line: what makes an error is not to stand between the instructions that read a message without one.
    @inline(never)
    static func at(_ offset: Int, _ code: Code, _ field: StaticString) -> WireError {
        WireError(code, offset: offset, field: field.description)
    }

    public var description: String { "\(code.rawValue) in field \(field) at \(offset)" }
}
