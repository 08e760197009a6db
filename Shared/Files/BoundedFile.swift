internal import Glibc

/// Why a file was not read.
public struct BoundedFileError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}

/// Whole files of a size that is known to be small.
public enum BoundedFile {
    /// What a file is, as far as somebody may care before reading it.
    public struct State: Sendable {
        /// Permission bits.
        public let mode: UInt32
        /// Owned by root, while we are somebody else.
        public let isRoots: Bool
    }

    /// - Parameters:
    ///   - limit: in bytes; a longer file is refused.
    ///   - objection: says why a file is not to be read, nil if nothing speaks against it. It sees the file that is then read.
    public static func read(
        _ path: String, limit: Int = 65_536, objection: (State) -> String? = { _ in nil }
    ) throws(BoundedFileError) -> [UInt8] {
        // O_NONBLOCK: a pipe of that name must not hold us up.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(path, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var found = stat()
        guard fstat(descriptor, &found) == 0, found.st_mode & S_IFMT == S_IFREG else { throw failure(path, "it is no regular file") }
        let state = State(mode: found.st_mode & 0o7777, isRoots: found.st_uid == 0 && geteuid() != 0)
        if let reason = objection(state) { throw failure(path, reason) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: min(limit, 16_384) + 1)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path, String(cString: strerror(errno))) }
            if count == 0 { return bytes }
            bytes += piece.prefix(count)
        }
        throw failure(path, "it is longer than \(limit) bytes")
    }

    private static func failure(_ path: String, _ reason: String) -> BoundedFileError {
        BoundedFileError(description: "cannot read “\(path)”: \(reason)")
    }
}
