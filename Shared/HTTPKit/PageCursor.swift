/// Where the next page begins, as text that clients hand back without looking into it.
///
/// Base64url of the fields, each ended by a NUL, and of a checksum over scope and fields. The checksum finds what was cut, edited or taken
/// from another route; it is no signature, so a service still checks the fields like any other input.
public struct PageCursor: Sendable, Hashable {
    public let fields: [String]

    public init(fields: [String]) { self.fields = fields }

    /// - Parameter scope: what the cursor belongs to, such as route and device: it is good for nothing else.
    public func text(scope: String) -> String {
        var bytes: [UInt8] = []
        for field in fields {
            bytes.append(contentsOf: field.utf8.filter { $0 != 0 })
            bytes.append(0)
        }
        let sum = Self.checksum(scope, bytes)
        bytes.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: sum >> (8 * UInt64($0))) })
        return Self.base64url(bytes)
    }

    /// - Throws: 400 `invalid_cursor`.
    public init(_ text: String, scope: String) throws(APIError) {
        guard text.utf8.count <= 2_048, let bytes = Self.bytes(base64url: text), bytes.count >= 8 else {
            throw APIError(.invalidCursor, field: "cursor")
        }
        let body = Array(bytes.dropLast(8))
        let sum = bytes.suffix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard sum == Self.checksum(scope, body), body.last == 0 || body.isEmpty else { throw APIError(.invalidCursor, field: "cursor") }
        fields = body.split(separator: 0, omittingEmptySubsequences: false).dropLast().map { String(decoding: $0, as: UTF8.self) }
    }

    /// A query parameter named `cursor` for routes with pages.
    public static var parameter: Parameter<String?> {
        Parameter.string("cursor", maxLength: 2_048, help: "Where to go on: `next` of the page before.").optional
    }

    /// FNV-1a, 64 bits.
    private static func checksum(_ scope: String, _ bytes: [UInt8]) -> UInt64 {
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in Array(scope.utf8) + [0xFF] + bytes { sum = (sum ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return sum
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// RFC 4648, section 5, without padding.
    static func base64url(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let group = (0..<3).reduce(UInt32(0)) { $0 << 8 | UInt32(index + $1 < bytes.count ? bytes[index + $1] : 0) }
            let count = min(3, bytes.count - index) + 1
            for place in 0..<count { text.append(alphabet[Int(group >> (18 - 6 * UInt32(place))) & 63]) }
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for any other character, an impossible length, and bits that no encoder leaves behind.
    static func bytes(base64url text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var group: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            guard let digit = alphabet.firstIndex(of: character) else { return nil }
            group = group << 6 | UInt32(digit)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
                group &= (1 << UInt32(bits)) - 1
            }
        }
        return bits < 6 && group == 0 ? bytes : nil
    }
}
