internal import Glibc

/// Why a file was not written.
public struct DurableFileError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}

/// Files that nobody ever sees half-written, and that survive a loss of power once they are there.
public enum DurableFile {
    /// Writes a file of that name, in the place of one that is there.
    /// - Parameter mode: permissions, whatever the process's mask is.
    public static func replace(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(DurableFileError) {
        try place(path, bytes, mode) { rename($0, $1) }
    }

    /// Writes a file of that name.
    /// - Throws: when there is one.
    public static func create(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(DurableFileError) {
        try place(path, bytes, mode) { link($0, $1) }
    }

    /// Written beside it, made durable, and only then given its name.
    private static func place(
        _ path: String, _ bytes: [UInt8], _ mode: UInt32, _ name: (String, String) -> Int32
    ) throws(DurableFileError) {
        let draft = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw problem(path) }
        defer { unlink(draft) }
        do {
            defer { close(descriptor) }
            guard writeAll(descriptor, bytes), fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else { throw problem(path) }
        }
        guard name(draft, path) == 0 else { throw problem(path) }
        try syncFolder(of: path)
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

    /// A name is durable when its folder is.
    private static func syncFolder(of path: String) throws(DurableFileError) {
        let end = path.lastIndex(of: "/")
        let folder = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw problem(folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw problem(folder) }
    }

    private static func problem(_ path: String) -> DurableFileError {
        DurableFileError(description: "cannot write “\(path)”: \(String(cString: strerror(errno)))")
    }
}
