internal import COpenSSL

/// Bytes that nobody can foresee (`RAND_bytes`, seeded by the kernel).
public enum SecureRandom {
    /// - Parameter count: number of bytes.
    public static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        var result: Int32 = 1
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            result = RAND_bytes(buffer.baseAddress, Int32(count))
            used = result == 1 ? count : 0
        }
        try check(result, "draw \(count) random bytes")
        return bytes
    }
}
