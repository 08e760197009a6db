internal import Files

/// A file with a secret: a private key, a master key.
public enum SecretFile {
    /// In bytes.
    public static let largest = 65_536

    /// Reads the file, unless others could have: it must be for its owner alone (0600 or less), or, when root owns it, for root and a
    /// group that may read it (0640 or less), as orchestrators mount secrets.
    public static func read(_ path: String) throws(CryptoError) -> [UInt8] {
        do {
            return try BoundedFile.read(path, limit: largest) { state in
                guard state.mode & (state.isRoots ? 0o7137 : 0o7177) != 0 else { return nil }
                let mode = String(state.mode, radix: 8)
                return "its mode 0\(mode) lets others at it; chmod 600 it, and think of replacing the secret"
            }
        } catch {
            throw CryptoError("use a secret", error.description)
        }
    }
}
