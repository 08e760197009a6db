internal import Glibc

/// A file with a secret: a private key, a master key.
public enum SecretFile {
    public static let largest = 65_536

    /// Reads the file, unless others could have: it must be for its owner alone (0600 or less), or, when root owns it, for root and a
    /// group that may read it (0640 or less), as orchestrators mount secrets.
    public static func read(_ path: String) throws(CryptoError) -> [UInt8] {
        let operation = "read the secret in “\(path)”"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw CryptoError(operation, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var state = stat()
        guard fstat(descriptor, &state) == 0, state.st_mode & S_IFMT == S_IFREG else {
            throw CryptoError(operation, "it is no regular file")
        }
        let forbidden: mode_t = state.st_uid == 0 && geteuid() != 0 ? 0o137 : 0o177
        guard state.st_mode & forbidden == 0 else {
            let mode = String(state.st_mode & 0o777, radix: 8)
            throw CryptoError(operation, "its mode 0\(mode) lets others at it; chmod 600 it, and think of replacing the secret")
        }
        guard state.st_size <= largest else { throw CryptoError(operation, "it is larger than \(largest) bytes") }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: largest) { buffer, used in
            while used < buffer.count {
                let count = Glibc.read(descriptor, buffer.baseAddress.map { $0 + used }, buffer.count - used)
                if count < 0, errno == EINTR { continue }
                failed = count < 0
                guard count > 0 else { return }
                used += count
            }
        }
        guard !failed else { throw CryptoError(operation, String(cString: strerror(errno))) }
        return bytes
    }
}
