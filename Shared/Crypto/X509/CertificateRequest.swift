internal import COpenSSL

/// A request for a certificate (PKCS #10, RFC 2986) whose sender has proved that the key is theirs, and whose key is strong enough.
///
/// Of all that it asks for, an authority takes the public key and nothing else.
public final class CertificateRequest: Sendable {
    /// In bytes of PEM. The largest key that is taken, RSA with 4,096 bits, needs less than 2,000.
    public static let longest = 16_384

    let handle: RequestHandle
    /// The name it asks for; nil when there is none, or several. To be compared, never to be copied.
    public let commonName: String?

    /// - Throws: for what is no request, more than one, a signature that is not by the key it holds, or a weak key.
    public init(pem: [UInt8]) throws(CryptoError) {
        let operation = "read a certificate request"
        guard pem.count <= Self.longest else { throw CryptoError(operation, "it has \(pem.count) bytes, at most \(Self.longest) are read") }
        let bio = try MemoryBIO.holding(pem, operation)
        guard let read = PEM_read_bio_X509_REQ(bio.pointer, nil, martlet_no_passphrase, nil) else { throw CryptoError.openSSL(operation) }
        let handle = RequestHandle(owning: read)
        guard let key = X509_REQ_get0_pubkey(handle.pointer) else { throw CryptoError.openSSL(operation) }
        try Self.checkStrength(key, operation)
        guard Self.signatures.contains(X509_REQ_get_signature_nid(handle.pointer)) else {
            throw CryptoError(operation, "it is signed in a way that is not accepted; use SHA-256, or a key of Ed25519")
        }
        guard X509_REQ_verify(handle.pointer, key) == 1 else {
            ERR_clear_error()
            throw CryptoError(operation, "its signature is not by the key that it holds")
        }
        commonName = Certificate.commonName(X509_REQ_get_subject_name(handle.pointer))
        self.handle = handle
    }

    private static let signatures: Set<Int32> = [
        NID_ED25519, NID_ecdsa_with_SHA256, NID_ecdsa_with_SHA384, NID_ecdsa_with_SHA512, NID_sha256WithRSAEncryption,
        NID_sha384WithRSAEncryption, NID_sha512WithRSAEncryption,
    ]

    /// Upper bounds, too: what a stranger sends must not be dear to verify.
    private static func checkStrength(_ key: OpaquePointer, _ operation: String) throws(CryptoError) {
        if EVP_PKEY_is_a(key, "ED25519") == 1 { return }
        if EVP_PKEY_is_a(key, "EC") == 1 {
            var name = [CChar](repeating: 0, count: 64)
            var length = 0
            let isNamed = EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1
            let curve = String(decoding: name.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard isNamed, ["prime256v1", "P-256", "secp384r1", "P-384"].contains(curve) else {
                ERR_clear_error()
                throw CryptoError(operation, "its key is on another curve than P-256 and P-384")
            }
            return
        }
        guard EVP_PKEY_is_a(key, "RSA") == 1 else {
            throw CryptoError(operation, "its key is neither Ed25519 nor ECDSA with P-256 or P-384 nor RSA")
        }
        let bits = EVP_PKEY_get_bits(key)
        guard (2_048...4_096).contains(bits) else { throw CryptoError(operation, "its RSA key has \(bits) bits, 2,048…4,096 are taken") }
        var exponent: OpaquePointer?
        defer { BN_free(exponent) }
        guard EVP_PKEY_get_bn_param(key, "e", &exponent) == 1, (17...64).contains(BN_num_bits(exponent)), BN_is_odd(exponent) == 1 else {
            throw CryptoError(operation, "the exponent of its RSA key is weak; use 65537")
        }
    }
}
