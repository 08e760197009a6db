internal import Glibc

extension SecretFile {
    /// Makes a file that only its owner may read and write. It is whole and durable, or not there.
    /// - Throws: when there is a file of that name: a secret is never written over.
    public static func create(_ path: String, _ bytes: [UInt8]) throws(CryptoError) {
        let operation = "make the secret file “\(path)”"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CryptoError(operation, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        guard fchmod(descriptor, 0o600) == 0, writeAll(descriptor, bytes), fsync(descriptor) == 0 else {
            let reason = String(cString: strerror(errno))
            unlink(path)
            throw CryptoError(operation, reason)
        }
    }

    private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }
}
