/// Identity of a device: 1 to 128 of the characters `A-Z a-z 0-9 . _ : -`. So narrow that it can stand in a topic, a URL,
/// a key or a log line without quoting.
public struct DeviceID: Hashable, Sendable, Comparable, CustomStringConvertible {
    @inlinable public static var maximumBytes: Int { 128 }

    public let text: String

    /// - Throws: `DomainError` with code `empty`, `tooLong` or `invalidCharacter`, field `device`.
    public init(_ text: String) throws(DomainError) {
        var text = text
        let verdict = text.withUTF8 { Self.verdict(UnsafeRawBufferPointer($0)) }
        if let verdict { throw verdict }
        self.text = text
    }

    /// - Throws: as `init(_:)`.
    public init(bytes: UnsafeRawBufferPointer) throws(DomainError) {
        if let verdict = Self.verdict(bytes) { throw verdict }
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the bytes make a device id. Allocates nothing: this is the check of the hot path.
    @inlinable @inline(__always)
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 1 && bytes.count <= maximumBytes else { return false }
        return ByteWords.none(bytes) { word in
            // The bit that tells lower case from upper case is set.
            let letters = ByteWords.within(word | ByteWords.Word(repeating: 0x20), 0x61, 0x7A)
            let others = ByteWords.within(word, 0x2D, 0x2E) .| ByteWords.within(word, 0x30, 0x3A) .| ByteWords.within(word, 0x5F, 0x5F)
            return .!(letters .| others)
        }
    }

    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
    public var description: String { text }

    private static func verdict(_ bytes: UnsafeRawBufferPointer) -> DomainError? {
        if bytes.isEmpty { return DomainError(.empty, field: "device", reason: "a device id has at least 1 character") }
        if bytes.count > maximumBytes {
            return DomainError(
                .tooLong, field: "device", reason: "a device id has at most \(maximumBytes) bytes, this one has \(bytes.count)")
        }
        guard let index = bytes.firstIndex(where: { !isAllowed($0) }) else { return nil }
        return DomainError(
            .invalidCharacter, field: "device",
            reason: "a device id consists of A-Z a-z 0-9 . _ : - only; byte \(index) is 0x\(String(bytes[index], radix: 16))")
    }

    /// One bit per ASCII character: `-` `.` `0-9` `:` below 64, `A-Z` `_` `a-z` above.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x07FF_6000_0000_0000
        let high: UInt64 = 0x07FF_FFFE_87FF_FFFE
        let word = byte < 64 ? low : high
        return byte < 128 && (word >> UInt64(byte & 63)) & 1 == 1
    }
}
