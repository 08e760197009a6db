internal import COpenSSL

/// The two ways in which Martlet signs.
public enum SigningAlgorithm: Sendable, Hashable, CaseIterable {
    /// RFC 8032.
    case ed25519
    /// ECDSA over P-256 with SHA-256 (FIPS 186-5). Signatures are r and s with 32 bytes each, as JOSE has them.
    case p256
}

/// A key that signs. No description shows it.
public final class PrivateKey: Sendable, CustomStringConvertible {
    public let algorithm: SigningAlgorithm
    let handle: KeyHandle

    /// A new key.
    public init(_ algorithm: SigningAlgorithm) throws(CryptoError) {
        let made =
            switch algorithm {
            case .ed25519: martlet_generate_ed25519()
            case .p256: martlet_generate_p256()
            }
        guard let made else { throw CryptoError.openSSL("generate a key") }
        self.algorithm = algorithm
        handle = KeyHandle(owning: made)
    }

    /// - Parameter pem: PKCS #8 or SEC 1, not encrypted.
    public init(pem: [UInt8]) throws(CryptoError) {
        let operation = "read a private key"
        let bio = try MemoryBIO.holding(pem, operation)
        guard let read = PEM_read_bio_PrivateKey(bio.pointer, nil, martlet_no_passphrase, nil) else { throw CryptoError.openSSL(operation) }
        let handle = KeyHandle(owning: read)
        guard let algorithm = handle.algorithm else {
            throw CryptoError(operation, "it is neither Ed25519 nor ECDSA with P-256; make one with openssl genpkey -algorithm ED25519")
        }
        self.algorithm = algorithm
        self.handle = handle
    }

    /// PKCS #8, not encrypted: keep the file from others.
    public func pem() throws(CryptoError) -> [UInt8] {
        let bio = try MemoryBIO()
        try check(PEM_write_bio_PKCS8PrivateKey(bio.pointer, handle.pointer, nil, nil, 0, nil, nil), "write a private key")
        return bio.contents
    }

    public func publicKey() throws(CryptoError) -> PublicKey {
        let operation = "take the public half of a key"
        var der: UnsafeMutablePointer<UInt8>?
        let count = i2d_PUBKEY(handle.pointer, &der)
        defer { martlet_free(der) }
        guard count > 0 else { throw CryptoError.openSSL(operation) }
        var start = UnsafePointer(der)
        guard let made = d2i_PUBKEY(nil, &start, Int(count)) else { throw CryptoError.openSSL(operation) }
        return try PublicKey(KeyHandle(owning: made), operation)
    }

    /// 64 bytes.
    public func sign(_ message: some ContiguousBytes) throws(CryptoError) -> [UInt8] {
        let signature = try handle.sign(message, algorithm)
        switch algorithm {
        case .ed25519: return signature
        case .p256:
            guard let fixed = ECDSASignature.fixed(der: signature) else { throw CryptoError("sign", "OpenSSL gave no ECDSA signature") }
            return fixed
        }
    }

    public var description: String { "PrivateKey(\(algorithm))" }
}
