import Foundation

/// A PostgreSQL server of the benchmark's own with the settings of a small host.
final class QueryDatabase {
    let url: String
    private let server: Program
    private let folder: URL
    private static let port = 35_432

    init(_ parent: URL) throws {
        folder = parent.appendingPathComponent("postgres")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        url = "postgresql://postgres@127.0.0.1:\(Self.port)/postgres"
        let root = getuid() == 0
        if root, let user = getpwnam("postgres") {
            chmod(parent.path, 0o755)
            chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid)
        }
        let binaries = try Self.binaries()
        let prefix = root ? ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] : []
        func start(_ name: String, _ arguments: [String]) throws -> Program {
            root
                ? try Program(name, "/usr/bin/setpriv", prefix + ["\(binaries)/\(name)"] + arguments, folder: parent)
                : try Program(name, "\(binaries)/\(name)", arguments, folder: parent)
        }
        let data = folder.appendingPathComponent("data").path
        _ = try start("initdb", ["-D", data, "-U", "postgres", "--auth=trust", "--no-locale", "--encoding=UTF8"]).finish()
        let settings = [
            "listen_addresses=127.0.0.1", "port=\(Self.port)", "unix_socket_directories=", "shared_buffers=256MB", "max_wal_size=4GB",
            "log_min_messages=warning", "jit=off",
        ]
        server = try start("postgres", ["-D", data] + settings.flatMap { ["-c", $0] })
        try server.waitFor("PostgreSQL answers") { (try? psql("SELECT 1")) == "1" }
    }

    func end() { server.end(SIGINT) }

    @discardableResult
    func psql(_ sql: String) throws -> String {
        try Program(
            "psql", "\(Self.binaries())/psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql],
            folder: folder.deletingLastPathComponent()
        ).finish().trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func binaries() throws -> String {
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []).compactMap(Int.init).sorted(
            by: >)
        guard let newest = versions.first else {
            throw BenchmarkFailure("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        }
        return "/usr/lib/postgresql/\(newest)/bin"
    }
}
