internal import Files

extension SecretFile {
    /// Makes a file that only its owner may read and write. It is whole and durable, or not there.
    /// - Throws: when there is a file of that name: a secret is never written over.
    public static func create(_ path: String, _ bytes: [UInt8]) throws(CryptoError) {
        do {
            try DurableFile.create(path, bytes, mode: 0o600)
        } catch {
            throw CryptoError("make a secret file", error.description)
        }
    }
}
