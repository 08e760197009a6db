internal import COpenSSL

/// A key that verifies.
public final class PublicKey: Sendable {
    public let algorithm: SigningAlgorithm
    let handle: KeyHandle

    init(_ handle: consuming KeyHandle, _ operation: String) throws(CryptoError) {
        guard let algorithm = handle.algorithm else { throw CryptoError(operation, "it is neither Ed25519 nor ECDSA with P-256") }
        self.algorithm = algorithm
        self.handle = handle
    }

    /// - Parameter pem: SubjectPublicKeyInfo.
    public convenience init(pem: [UInt8]) throws(CryptoError) {
        let operation = "read a public key"
        let bio = try MemoryBIO.holding(pem, operation)
        guard let read = PEM_read_bio_PUBKEY(bio.pointer, nil, martlet_no_passphrase, nil) else { throw CryptoError.openSSL(operation) }
        try self.init(KeyHandle(owning: read), operation)
    }

    /// - Parameter raw: Ed25519: the 32 bytes of RFC 8032. P-256: x and y with 32 bytes each; a point that is not on the curve is refused.
    public convenience init(_ algorithm: SigningAlgorithm, raw: [UInt8]) throws(CryptoError) {
        let operation = "take a public key of \(raw.count) bytes"
        switch algorithm {
        case .ed25519:
            guard let made = EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, raw, raw.count) else {
                throw CryptoError.openSSL(operation)
            }
            try self.init(KeyHandle(owning: made), operation)
        case .p256:
            guard raw.count == 64 else { throw CryptoError(operation, "P-256 has 64") }
            // SubjectPublicKeyInfo of RFC 5480 up to the uncompressed point: id-ecPublicKey, prime256v1, BIT STRING, 0x04.
            let prefix: [UInt8] = [
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
                0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
            ]
            let made = (prefix + raw).withUnsafeBufferPointer { bytes in
                var start = bytes.baseAddress
                return d2i_PUBKEY(nil, &start, bytes.count)
            }
            guard let made else { throw CryptoError.openSSL(operation) }
            try self.init(KeyHandle(owning: made), operation)
        }
    }

    /// As `init(_:raw:)` takes it.
    public func raw() throws(CryptoError) -> [UInt8] {
        let der = try self.der()
        switch algorithm {
        // The last field of either structure is the key itself (RFC 8410, section 4; RFC 5480, section 2.2).
        case .ed25519: return Array(der.suffix(32))
        case .p256:
            guard der.count == 91, der[26] == 4 else { throw CryptoError("write a public key", "its point is compressed") }
            return Array(der.suffix(64))
        }
    }

    /// SubjectPublicKeyInfo.
    public func der() throws(CryptoError) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = i2d_PUBKEY(handle.pointer, &bytes)
        defer { martlet_free(bytes) }
        guard count > 0 else { throw CryptoError.openSSL("write a public key") }
        return [UInt8](UnsafeBufferPointer(start: bytes, count: Int(count)))
    }

    /// SubjectPublicKeyInfo.
    public func pem() throws(CryptoError) -> [UInt8] {
        let bio = try MemoryBIO()
        try check(PEM_write_bio_PUBKEY(bio.pointer, handle.pointer), "write a public key")
        return bio.contents
    }

    /// Whether the holder of the private key has signed these bytes. False for whatever is no signature, too.
    public func isValid(_ signature: [UInt8], for message: some ContiguousBytes) -> Bool {
        guard signature.count == 64 else { return false }
        switch algorithm {
        case .ed25519: return handle.verify(signature, message, algorithm)
        case .p256: return handle.verify(ECDSASignature.der(fixed: signature), message, algorithm)
        }
    }
}
