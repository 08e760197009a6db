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
///
/// Started with posix_spawn(3) and not with Foundation's `Process`: that one keeps descriptors of every child it has started, and reads
/// past its list of them (swift 6.3) when a run that kills services by the hundred has opened more than 1,300.
public final class ChildProcess: Sendable {
    public let name: String
    public let log: URL
    private let supervisor: Supervisor
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
        var command = [executable] + arguments
        if let asUser, getuid() == 0 { command = ["setpriv", "--reuid", asUser, "--regid", asUser, "--clear-groups"] + command }
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
        supervisor = try Supervisor(
            ["/bin/sh", "-c", script, name, pidFile.path] + command,
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, log: log.path)
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

    public var isRunning: Bool { supervisor.exitCode == nil }

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
        return supervisor.exitCode ?? -1
    }

    public func output() -> String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    deinit { if isRunning { signal(SIGKILL) } }
}

/// The shell that watches over a child: spawned, reaped when asked after, and gone with its lifeline.
private final class Supervisor: Sendable {
    private let shell: pid_t
    /// Our end of the pipe that is the shell's standard input.
    private let lifeline: Int32
    private let ended = Mutex<Int32?>(nil)

    /// `posix_spawn_file_actions_addclosefrom_np` (glibc 2.34), which the Glibc module does not show: no child may hold a socket or the
    /// lifeline of another.
    private static let closeFrom: @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32 = {
        guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { fatalError("glibc 2.34 or newer is needed") }
        // The type is that of the declaration in spawn.h.
        return unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32).self)
    }()

    init(_ command: [String], environment: [String: String], log: String) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SupportError("pipe: errno \(errno)") }
        defer { close(ends[0]) }
        lifeline = ends[1]
        let output = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { close(output) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (ours, theirs) in [(ends[0], 0), (output, 1), (output, 2)] as [(Int32, Int32)] {
            posix_spawn_file_actions_adddup2(&actions, ours, theirs)
        }
        _ = Self.closeFrom(&actions, 3)
        // A child inherits the thread's signal mask, and Dispatch's threads block what a test may want to send.
        var (attributes, none) = (posix_spawnattr_t(), sigset_t())
        sigemptyset(&none)
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let arguments = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var pid: pid_t = -1
        let code = posix_spawn(&pid, command[0], &actions, &attributes, arguments, variables)
        shell = pid
        guard code == 0, output >= 0 else {
            close(lifeline)
            throw SupportError("cannot start \(command[0]) with its log in \(log): error \(code)")
        }
    }

    /// Nil while it runs.
    var exitCode: Int32? {
        ended.withLock { ended in
            var status: Int32 = 0
            if ended == nil, waitpid(shell, &status, WNOHANG) == shell {
                ended = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
            }
            return ended
        }
    }

    /// The end of the lifeline ends the child; somebody has to collect the shell after that.
    deinit {
        close(lifeline)
        guard exitCode == nil else { return }
        let shell = shell
        Thread.detachNewThread {
            var status: Int32 = 0
            _ = waitpid(shell, &status, 0)
        }
    }
}
