public import Foundation
import Synchronization

/// A PostgreSQL server of the test's own on a free loopback port, with data in a temporary folder. Binaries come from
/// `/usr/lib/postgresql/*/bin` or `PATH`; as root it runs as user `postgres`, because the server refuses root.
public final class PostgresServer: Sendable {
    public let port: Int
    public let folder: URL
    private let durable: Bool
    private let child: Mutex<ChildProcess?> = Mutex(nil)

    private let settings: [String]

    /// - Parameters:
    ///   - durable: false switches off fsync: only for tests that do not kill the server.
    ///   - disk: holds the data; nil for the usual temporary folder.
    ///   - settings: further `name=value`.
    public init(durable: Bool, disk: BoundedDisk? = nil, settings: [String] = []) async throws {
        self.durable = durable
        self.settings = settings
        port = try freePort()
        folder = try disk?.folder ?? makeTemporaryFolder("postgres")
        try await initialise()
        try await start()
    }

    /// Connection string of a database on this server; of the maintenance database when nil.
    public func url(database: String? = nil) -> String { "postgresql://postgres@127.0.0.1:\(port)/\(database ?? "postgres")" }

    public var isRunning: Bool { child.withLock { $0?.isRunning ?? false } }
    public var processID: Int32 { child.withLock { $0?.pid ?? -1 } }

    private var data: URL { folder.appendingPathComponent("data") }

    private func initialise() async throws {
        if getuid() == 0 {
            guard let user = getpwnam("postgres") else { throw SupportError("running as root needs a user named postgres") }
            guard chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else { throw SupportError("chown \(folder.path)") }
        }
        let command = try ChildProcess(
            "initdb", Self.binary("initdb"),
            ["-D", data.path, "-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"],
            folder: folder, asUser: "postgres")
        try await eventually("initdb ends; log: \(command.log.path)") { !command.isRunning }
        let code = try await command.stop()
        guard code == 0 else { throw SupportError("initdb failed with \(code): \(command.output())") }
    }

    public func start() async throws {
        var settings = [
            "listen_addresses=127.0.0.1", "port=\(port)", "unix_socket_directories=", "max_connections=60", "shared_buffers=64MB",
            "log_min_messages=warning", "restart_after_crash=on",
        ]
        settings += self.settings
        if !durable { settings += ["fsync=off", "full_page_writes=off", "synchronous_commit=on"] }
        let server = try ChildProcess(
            "postgres", Self.binary("postgres"), ["-D", data.path] + settings.flatMap { ["-c", $0] }, folder: folder, asUser: "postgres")
        child.withLock { $0 = server }
        try await waitUntilReady()
    }

    private func waitUntilReady() async throws {
        let isReady = try Self.binary("pg_isready")
        try await eventually("PostgreSQL answers on port \(port); logs in \(folder.path)") {
            guard self.isRunning else { throw SupportError("PostgreSQL ended at its start; logs in \(self.folder.path)") }
            let probe = Process()
            probe.executableURL = URL(fileURLWithPath: isReady)
            probe.arguments = ["-q", "-h", "127.0.0.1", "-p", "\(self.port)"]
            try launch(probe)
            probe.waitUntilExit()
            return probe.terminationStatus == 0
        }
    }

    /// Kills the server at once, as `kill -9` of every process of it: the postmaster's children end when it is gone.
    public func kill() async throws {
        guard let server = child.withLock({ $0 }) else { return }
        try await server.stop(SIGKILL)
        try await eventually("nothing listens on port \(port)") { !isListening(self.port) }
    }

    public func stop() async throws {
        guard let server = child.withLock({ $0 }) else { return }
        try await server.stop(SIGINT)
    }

    public func restart() async throws {
        if child.withLock({ $0?.isRunning ?? false }) { try await stop() }
        // A killed postmaster leaves its lock file and, for a moment, children that still hold shared memory.
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            do {
                return try await start()
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Runs SQL with `psql`, unaligned rows without header.
    @discardableResult
    public func psql(_ sql: String, database: String = "postgres") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try Self.binary("psql"))
        process.arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url(database: database), "-c", sql]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try launch(process)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw SupportError("psql: \(text)") }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// - Returns: the connection string of an empty database of a fresh name.
    public func makeDatabase() throws -> String {
        let name = "test_" + UUID().uuidString.prefix(8).lowercased()
        try psql("CREATE DATABASE \(name)")
        return url(database: name)
    }

    /// At the end of the process: no time for an orderly stop, and nothing is kept.
    fileprivate func abandon() {
        child.withLock { $0?.signal(SIGQUIT) }
        try? FileManager.default.removeItem(at: folder)
    }

    public func remove() async {
        try? await stop()
        try? FileManager.default.removeItem(at: folder)
    }

    /// - Returns: path of a PostgreSQL program; the newest installed version wins.
    static func binary(_ name: String) throws -> String {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap(Int.init).sorted(by: >)
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in versions.map({ "\(root)/\($0)/bin" }) + path {
            if FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") { return "\(folder)/\(name)" }
        }
        throw SupportError("\(name) is neither in \(root)/*/bin nor in PATH: install PostgreSQL (Debian: apt-get install postgresql)")
    }
}

/// The server that all tests of this process share which do not kill it: fsync is off. It ends with the process.
private actor SharedPostgres {
    static let only = SharedPostgres()
    private var starting: Task<PostgresServer, any Error>?

    func server() async throws -> PostgresServer {
        let task =
            starting
            ?? Task {
                let server = try await PostgresServer(durable: false)
                // Nobody else ends it: this process's static values are never released.
                shared.withLock { $0 = server }
                atexit { shared.withLock { $0?.abandon() } }
                return server
            }
        starting = task
        return try await task.value
    }
}

private let shared = Mutex<PostgresServer?>(nil)

/// Runs `body` with the connection string of a fresh database on a shared server that must not be killed.
public func withPostgresDatabase<R>(_ body: (_ url: String, PostgresServer) async throws -> R) async throws -> R {
    let server = try await SharedPostgres.only.server()
    return try await body(try server.makeDatabase(), server)
}

/// Runs `body` with a server of its own, durable, that it may kill and restart; removed afterwards.
public func withPostgres<R>(_ body: (PostgresServer) async throws -> R) async throws -> R {
    let server = try await PostgresServer(durable: true)
    do {
        let value = try await body(server)
        await server.remove()
        return value
    } catch {
        await server.remove()
        throw error
    }
}
