/// HKDF with SHA-256 (RFC 5869): keys made from one secret, each for a purpose of its own.
public enum HKDFSHA256 {
    /// The most that RFC 5869 allows.
    public static let longestOutput = 255 * SHA256.byteCount

    /// - Parameters:
    ///   - salt: need not be secret; none is as many zeros as a digest has bytes.
    ///   - info: what the key is for; a different text gives a key that says nothing about the others.
    ///   - byteCount: 1…8,160.
    public static func derive(_ secret: SymmetricKey, salt: [UInt8] = [], info: [UInt8], byteCount: Int = 32) -> SymmetricKey {
        precondition((1...longestOutput).contains(byteCount), "HKDF gives 1…\(longestOutput) bytes, not \(byteCount)")
        let saltKey = SymmetricKey(salt.isEmpty ? [UInt8](repeating: 0, count: SHA256.byteCount) : salt)
        let extracted = SymmetricKey(secret.withBytes { HMACSHA256.code(for: $0, key: saltKey) })
        var output: [UInt8] = []
        var block: [UInt8] = []
        var number: UInt8 = 1
        while output.count < byteCount {
            block = HMACSHA256.code(for: block + info + [number], key: extracted)
            output += block
            number &+= 1
        }
        return SymmetricKey(output.prefix(byteCount))
    }
}
