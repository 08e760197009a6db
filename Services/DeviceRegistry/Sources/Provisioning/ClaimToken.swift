import Crypto

/// What somebody shows to register a device once: the claim's id, which is no secret, and 32 bytes drawn by chance.
struct ClaimToken: Sendable, CustomStringConvertible {
    let id: CredentialID
    private let secret: [UInt8]

    static func fresh() throws(CryptoError) -> ClaimToken {
        ClaimToken(id: try .fresh(), secret: try SecureRandom.bytes(32))
    }

    private init(id: CredentialID, secret: [UInt8]) {
        self.id = id
        self.secret = secret
    }

    /// Nil when the text is none.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 64, parts.count == 2, let id = CredentialID(parts[0]), let secret = Base64URL.decode(parts[1].utf8),
            secret.count == 32
        else { return nil }
        self.init(id: id, secret: secret)
    }

    /// What is shown, once: `0123456789abcdef.…`.
    var text: String { "\(id).\(Base64URL.encode(secret))" }

    /// What is stored: who has only this cannot make the token, nor test guesses.
    func hash(_ master: MasterKey) -> [UInt8] { HMACSHA256.code(for: secret, key: master.derive("claim-token", id.text)) }

    func isKnown(by hash: [UInt8], _ master: MasterKey) -> Bool { areEqualInConstantTime(hash, self.hash(master)) }

    var description: String { "ClaimToken(\(id))" }
}

extension MasterKey {
    /// The key of a group of devices, as its maker gets it: 64 hexadecimal digits.
    func enrolmentKey(_ enrolment: CredentialID) -> String { derive("enrolment-key", enrolment.text).withBytes { Hexadecimal.encode($0) } }

    /// Whether the proof is HMAC-SHA256 of the device's id, in hexadecimal, by the key of that group as text.
    func isProof(_ proof: String, of device: String, _ enrolment: CredentialID) -> Bool {
        guard proof.utf8.count == 2 * SHA256.byteCount, let code = Hexadecimal.decode(proof.utf8) else { return false }
        return HMACSHA256.isValid(code, for: Array(device.utf8), key: SymmetricKey(Array(enrolmentKey(enrolment).utf8)))
    }
}
