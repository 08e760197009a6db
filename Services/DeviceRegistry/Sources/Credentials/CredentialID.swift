import Crypto

/// Name of a credential: 16 lower-case hexadecimal digits, drawn by chance. It is no secret.
struct CredentialID: Hashable, Sendable, CustomStringConvertible {
    static let allowed = "16 lower-case hexadecimal digits"

    let number: UInt64

    var text: String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    var description: String { text }

    init(number: UInt64) { self.number = number }

    /// Nil when the text is none.
    init?(_ text: some StringProtocol) {
        let isWritten = text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard text.utf8.count == 16, isWritten, let number = UInt64(text, radix: 16) else { return nil }
        self.number = number
    }

    static func fresh() throws(CryptoError) -> CredentialID {
        CredentialID(number: try SecureRandom.bytes(8).reduce(0) { $0 << 8 | UInt64($1) })
    }
}
