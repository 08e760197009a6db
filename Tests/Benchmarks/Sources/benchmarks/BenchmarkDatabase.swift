import Foundation

/// A PostgreSQL server on loopback, data in a temporary folder; as root it runs as user `postgres`.
final class BenchmarkDatabase {
    let url: String
    private let folder: URL
    private let programs: String
    private let server: Program
    private static let port = 35_432

    /// - Parameter settings: `name=value`, besides Debian's.
    init(folder parent: URL, settings: [String] = []) throws {
        folder = parent.appendingPathComponent("postgres")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        url = "postgresql://postgres@127.0.0.1:\(Self.port)/postgres"
        let versions = try FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql").compactMap(Int.init)
        guard let newest = versions.max() else { throw BenchmarkFailure("install PostgreSQL: apt-get install postgresql") }
        programs = "/usr/lib/postgresql/\(newest)/bin"
        if getuid() == 0 {
            guard let user = getpwnam("postgres") else { throw BenchmarkFailure("running as root needs a user named postgres") }
            chmod(parent.path, 0o755)
            chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid)
        }
        let data = folder.appendingPathComponent("data").path
        _ = try Self.start(
            "initdb", "\(programs)/initdb", ["-D", data, "-U", "postgres", "--auth=trust", "--no-locale", "--encoding=UTF8"], parent
        ).finish()
        server = try Self.start(
            "postgres", "\(programs)/postgres",
            ["-D", data]
                + (["listen_addresses=127.0.0.1", "port=\(Self.port)", "unix_socket_directories="] + settings).flatMap { ["-c", $0] },
            parent)
        let programs = programs
        try server.waitFor("ready") {
            (try? Program("ready", "\(programs)/pg_isready", ["-q", "-h", "127.0.0.1", "-p", "\(Self.port)"], folder: parent).finish())
                != nil
        }
    }

    func end() { server.end(SIGQUIT) }

    private static func start(_ name: String, _ executable: String, _ arguments: [String], _ folder: URL) throws -> Program {
        guard getuid() == 0 else { return try Program(name, executable, arguments, folder: folder) }
        return try Program(
            name, "/usr/bin/setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", executable] + arguments,
            folder: folder)
    }

    @discardableResult
    func sql(_ text: String) throws -> String {
        try psql(["-c", text]).finish().trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func psql(_ arguments: [String]) throws -> Program {
        try Program(
            "psql", "\(programs)/psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url] + arguments,
            folder: folder.deletingLastPathComponent())
    }

    /// CPU time so far of every client's backend but the asking one.
    func backendSeconds() throws -> Double {
        let numbers = try sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        return try numbers.split(separator: "\n").compactMap { Int32($0) }.reduce(0) { try $0 + Program.cpuSeconds(of: $1) }
    }

    func waitForRows(_ count: Int) throws {
        for _ in 0..<300 {
            let found = Int(try sql("SELECT count(*) FROM timeseries.samples")) ?? 0
            guard found < count else {
                guard found == count else { throw BenchmarkFailure("\(found) rows instead of \(count)") }
                return
            }
            sleep(1)
        }
        throw BenchmarkFailure("\(count) rows did not come within 5 minutes")
    }

    func exportRows(orderedBy order: String, to file: URL) throws -> URL {
        try sql("\\copy (SELECT * FROM timeseries.samples ORDER BY \(order)) TO '\(file.path)' (FORMAT binary)")
        return file
    }

    /// CPU seconds of psql and its backend for one `\copy … from`.
    func copySeconds(from file: URL, expecting rows: Int) throws -> Double {
        try sql("TRUNCATE timeseries.samples; CHECKPOINT")
        var before = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &before)
        // The backend tells its own time: it is gone when psql is.
        let text = try psql([
            "-c", Self.backendTime, "-c", "\\copy timeseries.samples FROM '\(file.path)' (FORMAT binary)", "-c", Self.backendTime,
        ]).finish()
        var after = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &after)
        let times = text.split(separator: "\n").compactMap { Double($0) }
        guard times.count == 2, Int(try sql("SELECT count(*) FROM timeseries.samples")) == rows else {
            throw BenchmarkFailure("\\copy: \(text)")
        }
        return times[1] - times[0] + seconds(after) - seconds(before)
    }

    /// Fields 14 and 15 of proc(5), in seconds.
    private static let backendTime = """
        SELECT (split_part(stat, ' ', 12)::float8 + split_part(stat, ' ', 13)::float8) / 100 FROM (SELECT regexp_replace(
        pg_read_file('/proc/self/stat', 0, 1000), '^.*\\) ', '') AS stat) AS own
        """

    private func seconds(_ usage: rusage) -> Double {
        Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}
