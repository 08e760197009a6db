internal import COpenSSL

/// HMAC with SHA-256 (RFC 2104).
public enum HMACSHA256 {
    /// The 32 bytes of the authentication code.
    public static func code(for message: some ContiguousBytes, key: SymmetricKey) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { buffer, used in
            var length: UInt32 = 0
            message.withContiguousBytes { message in
                key.withBytes { key in
                    // An empty array may have no address, and to HMAC(3) a missing key means the key of the call before.
                    var nothing: UInt8 = 0
                    let bytes = message.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    _ = withUnsafePointer(to: &nothing) { nothing in
                        COpenSSL.HMAC(
                            EVP_sha256(), key.baseAddress ?? UnsafeRawPointer(nothing), Int32(key.count), bytes ?? nothing, message.count,
                            buffer.baseAddress, &length)
                    }
                }
            }
            used = Int(length)
        }
    }

    /// Whether `code` is the authentication code, in a time that depends on neither's content.
    public static func isValid(_ code: some ContiguousBytes, for message: some ContiguousBytes, key: SymmetricKey) -> Bool {
        areEqualInConstantTime(code, self.code(for: message, key: key))
    }
}

/// Compares secrets: the time taken depends on the lengths only (`CRYPTO_memcmp`).
public func areEqualInConstantTime(_ left: some ContiguousBytes, _ right: some ContiguousBytes) -> Bool {
    left.withContiguousBytes { left in
        right.withContiguousBytes { right in
            guard left.count == right.count else { return false }
            return left.isEmpty || CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
        }
    }
}
