public import Foundation

/// A filesystem of bounded size that can really be full: a tmpfs. Mounting takes root and a kernel that lets us.
public final class BoundedDisk: Sendable {
    public let folder: URL
    private var ballast: URL { folder.appendingPathComponent("ballast") }

    public init(megabytes: Int) throws {
        folder = try makeTemporaryFolder("disk")
        let mount = try Self.run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0755", "tmpfs", folder.path])
        guard mount.code == 0 else {
            try? FileManager.default.removeItem(at: folder)
            throw SupportError("cannot mount a tmpfs: \(mount.text)")
        }
    }

    /// Why no such disk can be had here; nil when it can.
    public static func whyImpossible() -> String? {
        do {
            try BoundedDisk(megabytes: 1).remove()
            return nil
        } catch { return "\(error)" }
    }

    /// Takes all the room but `bytes`.
    public func fill(leaving bytes: Int) throws {
        let free = freeBytes
        guard free > bytes else { return }
        let descriptor = open(ballast.path, O_WRONLY | O_CREAT, 0o600)
        guard descriptor >= 0 else { throw SupportError("cannot create \(ballast.path): errno \(errno)") }
        defer { close(descriptor) }
        let code = posix_fallocate(descriptor, 0, off_t(free - bytes))
        guard code == 0 else { throw SupportError("cannot fill \(folder.path): error \(code)") }
    }

    /// Gives the room back.
    public func empty() throws { try FileManager.default.removeItem(at: ballast) }

    public var freeBytes: Int {
        var state = statvfs()
        guard statvfs(folder.path, &state) == 0 else { return 0 }
        return Int(state.f_bavail) * Int(state.f_frsize)
    }

    public func remove() {
        _ = try? Self.run("umount", ["-l", folder.path])
        try? FileManager.default.removeItem(at: folder)
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> (code: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try launch(process)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
