internal import COpenSSL

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    public static let byteCount = 32

    /// The 32 bytes of the digest.
    public static func hash(_ bytes: some ContiguousBytes) -> [UInt8] {
        var hasher = Hasher()
        hasher.update(bytes)
        return hasher.finalize()
    }

    /// A digest of bytes that come piece by piece.
    public struct Hasher: ~Copyable {
        private let context: OpaquePointer

        public init() {
            guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
                // Neither needs anything but a few hundred bytes of memory.
                fatalError("libcrypto cannot set up SHA-256")
            }
            self.context = context
        }

        deinit { EVP_MD_CTX_free(context) }

        public mutating func update(_ bytes: some ContiguousBytes) {
            _ = bytes.withContiguousBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        }

        /// The 32 bytes of the digest.
        public consuming func finalize() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { buffer, used in
                var length: UInt32 = 0
                EVP_DigestFinal_ex(context, buffer.baseAddress, &length)
                used = Int(length)
            }
        }
    }
}
