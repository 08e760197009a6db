/// Name of a measured quantity: 1 to 128 bytes of UTF-8 without control characters. Its identity is its bytes: two spellings
/// of the same letter (composed and decomposed) are two metrics.
public struct MetricName: Hashable, Sendable, Comparable, CustomStringConvertible {
    @inlinable public static var maximumBytes: Int { 128 }

    public let text: String

    /// - Throws: `DomainError` with code `empty`, `tooLong` or `invalidCharacter`, field `metric`.
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

    /// For bytes that the caller has checked with `isValid`.
    package init(trusted bytes: UnsafeRawBufferPointer) { text = String(decoding: bytes, as: UTF8.self) }

    /// Whether the bytes make a metric name. Allocates nothing.
    @inlinable @inline(__always)
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 1 && bytes.count <= maximumBytes && TextRule.isName(bytes)
    }

    public static func == (left: Self, right: Self) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }
    public static func < (left: Self, right: Self) -> Bool { left.text.utf8.lexicographicallyPrecedes(right.text.utf8) }
    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
    public var description: String { text }

    private static func verdict(_ bytes: UnsafeRawBufferPointer) -> DomainError? {
        if bytes.isEmpty { return DomainError(.empty, field: "metric", reason: "a metric name has at least 1 byte") }
        if bytes.count > maximumBytes {
            return DomainError(
                .tooLong, field: "metric", reason: "a metric name has at most \(maximumBytes) bytes, this one has \(bytes.count)")
        }
        if TextRule.isName(bytes) { return nil }
        return DomainError(.invalidCharacter, field: "metric", reason: "a metric name is UTF-8 without control characters")
    }
}
