public import Foundation
import Synchronization

/// A Mosquitto broker of the test's own on a free loopback port, set up as ingestion wants its broker: a large window, an unbounded
/// queue, no Nagle. Its log records every packet.
public final class MosquittoServer: Sendable {
    public let port: Int
    public let folder: URL
    private let child: Mutex<ChildProcess?> = Mutex(nil)

    /// - Parameters:
    ///   - persistent: sessions and their queues outlive a clean restart.
    ///   - settings: further lines of `mosquitto.conf`.
    ///   - logsPackets: off for load, where the log would cost more than the broker.
    public init(persistent: Bool = false, settings: [String] = ["allow_anonymous true"], logsPackets: Bool = true) async throws {
        port = try freePort()
        folder = try makeTemporaryFolder("mosquitto")
        var lines = [
            "listener \(port) 127.0.0.1", "max_inflight_messages 2000", "max_queued_messages 0", "set_tcp_nodelay true",
            "persistence \(persistent)", "persistence_location \(folder.path)/", "log_dest stderr",
            "log_type \(logsPackets ? "all" : "error")",
        ]
        if getuid() == 0 { lines.append("user root") }
        lines += settings.map { $0.replacingOccurrences(of: "$FOLDER", with: folder.path) }
        try lines.joined(separator: "\n").appending("\n")
            .write(to: folder.appendingPathComponent("mosquitto.conf"), atomically: true, encoding: .utf8)
    }

    deinit {
        child.withLock { $0?.signal(SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    public var processID: Int32 { child.withLock { $0?.pid ?? -1 } }

    public var isRunning: Bool { child.withLock { $0?.isRunning ?? false } }

    /// What the broker logged since its last start.
    public func log() -> String { child.withLock { $0?.output() } ?? "" }

    /// Lines of the log that contain `text`.
    public func logCount(_ text: String) -> Int { log().split(separator: "\n").count { $0.contains(text) } }

    public func start() async throws {
        let found = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        guard let found else { throw SupportError("mosquitto is not installed: apt-get install mosquitto") }
        let process = try ChildProcess("mosquitto", found, ["-c", folder.appendingPathComponent("mosquitto.conf").path], folder: folder)
        child.withLock { $0 = process }
        try await eventually("mosquitto listens; log: \(process.log.path)") {
            guard process.isRunning else { throw SupportError("mosquitto ended: \(process.output())") }
            return isListening(self.port)
        }
    }

    /// Writes sessions and queues to disk now; returns when they are there.
    public func save() async throws {
        let file = folder.appendingPathComponent("mosquitto.db").path
        func stamp() -> timespec {
            var state = Foundation.stat()
            return lstat(file, &state) == 0 ? state.st_mtim : timespec()
        }
        let before = stamp()
        guard let process = child.withLock({ $0 }) else { throw SupportError("mosquitto is not running") }
        process.signal(SIGUSR1)
        // It writes a new file, syncs it and renames it.
        try await eventually("mosquitto has saved \(file)") {
            let now = stamp()
            return now.tv_sec != before.tv_sec || now.tv_nsec != before.tv_nsec
        }
    }

    public func stop(_ signal: Int32 = SIGTERM) async throws {
        guard let process = child.withLock({ $0 }) else { return }
        try await process.stop(signal)
    }
}

/// Runs `body` with a running broker of its own, which is gone afterwards.
public func withMosquitto<R>(
    persistent: Bool = false, settings: [String] = ["allow_anonymous true"], logsPackets: Bool = true,
    _ body: (MosquittoServer) async throws -> R
) async throws -> R {
    let server = try await MosquittoServer(persistent: persistent, settings: settings, logsPackets: logsPackets)
    try await server.start()
    do {
        let result = try await body(server)
        try await server.stop(SIGKILL)
        return result
    } catch {
        try? await server.stop(SIGKILL)
        throw error
    }
}
