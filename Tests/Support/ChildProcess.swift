public import Foundation
import Synchronization

private let launches = Mutex(())

/// Starts a process, one at a time. Foundation learns of a child's end through a socket that the child inherits: a child started in the
/// same instant would inherit it, too, and its end would be heard of only when both are gone.
public func launch(_ process: Process) throws {
    try launches.withLock { _ in
        // A child inherits the thread's signal mask, and Dispatch's threads block what a test may want to send.
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }
}

/// A program started by a test. It dies with the test process (its supervising shell holds a pipe to us), and its output goes to a file.
public final class ChildProcess: Sendable {
    public let name: String
    public let log: URL
    private let process: Mutex<Process>
    private let lifeline: Pipe
    private let pidFile: URL

    /// - Parameters:
    ///   - asUser: run as this user when we are root (servers that refuse root).
    public init(
        _ name: String, _ executable: String, _ arguments: [String], environment: [String: String] = [:], folder: URL, asUser: String? = nil
    ) throws {
        self.name = name
        let stamp = UUID().uuidString.prefix(6)
        log = folder.appendingPathComponent("\(name)-\(stamp).log")
        pidFile = folder.appendingPathComponent("\(name)-\(stamp).pid")
        try Data().write(to: log)
        var command = [executable] + arguments
        if let asUser, getuid() == 0 { command = ["setpriv", "--reuid", asUser, "--regid", asUser, "--clear-groups"] + command }
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sh")
        // The shell reports the child's pid, then waits on the lifeline: end of file there means that the test process is gone.
        let script = """
            pidfile=$1; shift
            exec 3<&0
            "$@" </dev/null & pid=$!
            echo $pid >"$pidfile.new" && mv "$pidfile.new" "$pidfile"
            (read -r _ <&3; kill -KILL $pid 2>/dev/null) & watcher=$!
            wait $pid; code=$?
            kill $watcher 2>/dev/null
            exit $code
            """
        child.arguments = ["-c", script, name, pidFile.path] + command
        child.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        lifeline = Pipe()
        child.standardInput = lifeline
        let output = try FileHandle(forWritingTo: log)
        child.standardOutput = output
        child.standardError = output
        try launch(child)
        try output.close()
        process = Mutex(child)
        let deadline = ContinuousClock.now + .seconds(10)
        while !FileManager.default.fileExists(atPath: pidFile.path) {
            guard ContinuousClock.now < deadline else { throw SupportError("\(name) did not start: \(executable)") }
            usleep(2_000)
        }
    }

    /// Process id of the program itself, not of its supervising shell.
    public var pid: Int32 {
        let text = (try? String(contentsOf: pidFile, encoding: .utf8)) ?? ""
        return Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
    }

    public var isRunning: Bool { process.withLock { $0.isRunning } }

    public func signal(_ number: Int32) {
        let target = pid
        if target > 0 { kill(target, number) }
    }

    /// Sends the signal and waits for the end.
    /// - Returns: the exit code; 128 + signal when it was killed.
    @discardableResult
    public func stop(_ number: Int32 = SIGTERM, within seconds: Double = 30) async throws -> Int32 {
        if isRunning { signal(number) }
        do {
            try await eventually("\(name) ends after signal \(number); log: \(log.path)", within: seconds) { !self.isRunning }
        } catch {
            signal(SIGKILL)
            throw error
        }
        return process.withLock { $0.terminationStatus }
    }

    public func output() -> String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    deinit { if isRunning { signal(SIGKILL) } }
}
