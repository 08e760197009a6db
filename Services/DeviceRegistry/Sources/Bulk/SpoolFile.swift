import Glibc

/// Bytes that wait for their turn outside of memory: a file without a name, which goes away with its last reference or with the process.
///
/// Written and read by one task at a time. What fits into one block never reaches the disk.
final class SpoolFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let block = 262_144

    private let folder: String
    private var descriptor: Int32 = -1
    private var stored = 0
    private var pending: [UInt8] = []

    /// - Parameter folder: where the file is made, once it is needed.
    init(folder: String) { self.folder = folder }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Bytes in all.
    var count: Int { stored + pending.count }

    func append(_ bytes: [UInt8]) throws(Failure) {
        pending.append(contentsOf: bytes)
        if pending.count >= Self.block { try flush() }
    }

    /// The bytes from `offset` on, at most `limit`; none at the end.
    func read(at offset: Int, limit: Int = block) throws(Failure) -> [UInt8] {
        guard offset < stored else { return Array(pending.dropFirst(offset - stored).prefix(limit)) }
        let wanted = min(limit, stored - offset)
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            let got = pread(descriptor, buffer.baseAddress, wanted, off_t(offset))
            count = max(got, 0)
        }
        guard !bytes.isEmpty else { throw Self.failure("cannot read the spool file in \(folder)") }
        return bytes
    }

    private func flush() throws(Failure) {
        if descriptor < 0 { try open() }
        var written = 0
        while written < pending.count {
            let count = pending.withUnsafeBytes { bytes in
                Glibc.pwrite(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written, off_t(stored + written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("cannot write to the spool file in \(folder)") }
            written += count
        }
        stored += written
        pending.removeAll(keepingCapacity: true)
    }

    private func open() throws(Failure) {
        var template = Array("\(folder)/martlet-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Self.failure("cannot make a spool file in \(folder)") }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    private static func failure(_ what: String) -> Failure { Failure(description: "\(what): \(String(cString: strerror(errno)))") }
}
