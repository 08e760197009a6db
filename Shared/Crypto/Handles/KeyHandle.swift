internal import COpenSSL

/// Owns an `EVP_PKEY`. The key is never changed after it was made, and OpenSSL allows any number of threads to read one
/// (openssl-threads(7)); each operation has a context of its own.
struct KeyHandle: ~Copyable, @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over one reference.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }

    /// Nil when it is of a kind that is not signed with here.
    var algorithm: SigningAlgorithm? {
        if EVP_PKEY_is_a(pointer, "ED25519") == 1 { return .ed25519 }
        return curve == "prime256v1" || curve == "P-256" ? .p256 : nil
    }

    /// Name of the curve of an EC key.
    var curve: String? {
        guard EVP_PKEY_is_a(pointer, "EC") == 1 else { return nil }
        var name = [CChar](repeating: 0, count: 64)
        var length = 0
        guard EVP_PKEY_get_group_name(pointer, &name, name.count, &length) == 1 else { return nil }
        return String(decoding: name.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Signs the whole message: Ed25519 gives 64 bytes, ECDSA a DER sequence.
    func sign(_ message: some ContiguousBytes, _ algorithm: SigningAlgorithm) throws(CryptoError) -> [UInt8] {
        let operation = "sign"
        guard let context = EVP_MD_CTX_new() else { throw CryptoError.openSSL(operation) }
        defer { EVP_MD_CTX_free(context) }
        try check(EVP_DigestSignInit(context, nil, algorithm.digest, nil, pointer), operation)
        // Room for either kind: an ECDSA signature with P-256 has at most 72 bytes.
        var signature = [UInt8](repeating: 0, count: 128)
        var length = signature.count
        let result = message.withContiguousBytes { message in
            EVP_DigestSign(context, &signature, &length, message.baseAddress?.assumingMemoryBound(to: UInt8.self), message.count)
        }
        try check(result, operation)
        return Array(signature.prefix(length))
    }

    /// False for a wrong signature and for one that is none.
    func verify(_ signature: [UInt8], _ message: some ContiguousBytes, _ algorithm: SigningAlgorithm) -> Bool {
        guard let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        guard EVP_DigestVerifyInit(context, nil, algorithm.digest, nil, pointer) == 1 else { return false }
        return message.withContiguousBytes { message in
            EVP_DigestVerify(
                context, signature, signature.count, message.baseAddress?.assumingMemoryBound(to: UInt8.self), message.count) == 1
        }
    }
}

extension SigningAlgorithm {
    /// Ed25519 hashes by itself.
    var digest: OpaquePointer? {
        switch self {
        case .ed25519: nil
        case .p256: EVP_sha256()
        }
    }
}
