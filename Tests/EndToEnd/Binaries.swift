import Foundation
import Synchronization
import TestSupport

/// The built product, found by MARTLET_BIN, else beside the sources. These tests start it; they never link it.
enum Binaries {
    static let root: URL = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    enum Build: String, Sendable {
        case release = "MARTLET_BIN"
        /// Made with `-Xswiftc -DFAULT_POINTS`: has named points to die at and bugs to be found.
        case faults = "MARTLET_FAULT_BIN"

        var isThere: Bool { ProcessInfo.processInfo.environment[rawValue].map { !$0.isEmpty } ?? false }
    }

    static func path(_ name: String, _ build: Build = .release) throws -> String {
        guard build == .release || build.isThere else { throw SupportError("\(build.rawValue) is not set") }
        let folders =
            ProcessInfo.processInfo.environment[build.rawValue].map { [URL(fileURLWithPath: $0)] }
            ?? ["release", "debug"].map { root.appendingPathComponent(".build/\($0)") }
        for folder in folders {
            let candidate = folder.appendingPathComponent(name).path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        throw SupportError("\(name) is not built: run `swift build -c release`, or set MARTLET_BIN to the folder that holds it")
    }
}

/// Runs a program to its end and returns what it printed.
struct Outcome {
    let code: Int32
    let output: String
    let errors: String
}

func runToEnd(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], input: String? = nil
) async throws -> Outcome {
    let folder = try makeTemporaryFolder("run")
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
    for file in files { try Data().write(to: file) }
    if let input { try Data(input.utf8).write(to: files[0]) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable.hasPrefix("/") ? executable : "/usr/bin/env")
    process.arguments = executable.hasPrefix("/") ? arguments : [executable] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let handles = (
        try FileHandle(forReadingFrom: files[0]), try FileHandle(forWritingTo: files[1]), try FileHandle(forWritingTo: files[2])
    )
    (process.standardInput, process.standardOutput, process.standardError) = handles
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
        process.terminationHandler = { _ in done.resume() }
        do { try launch(process) } catch { done.resume(throwing: error) }
    }
    // A `Process` that has ended keeps them open.
    for handle in [handles.0, handles.1, handles.2] { try handle.close() }
    return Outcome(
        code: process.terminationStatus, output: try String(contentsOf: files[1], encoding: .utf8),
        errors: try String(contentsOf: files[2], encoding: .utf8))
}

/// A service of the product that a test may kill and start again with the same settings.
final class RunningService: Sendable {
    let name: String
    let port: Int
    private let folder: URL
    private let environment: [String: String]
    private let child: Mutex<ChildProcess?> = Mutex(nil)

    init(_ name: String, folder: URL, environment: [String: String]) throws {
        self.name = name
        self.folder = folder
        port = try freePort()
        self.environment = environment.merging(["MARTLET_HTTP_PORT": String(port), "MARTLET_AUTH": "off"]) { $1 }
    }

    /// - Parameters:
    ///   - more: settings of this life only.
    func start(_ build: Binaries.Build = .release, _ more: [String: String] = [:]) throws {
        let started = try ChildProcess(
            name, Binaries.path(name, build), [], environment: environment.merging(more) { $1 }, folder: folder)
        child.withLock { $0 = started }
    }

    func startAndAwaitReady(_ build: Binaries.Build = .release, _ more: [String: String] = [:]) async throws {
        try start(build, more)
        try await awaitReady()
    }

    func awaitReady() async throws {
        try await eventually("\(name) answers 200 at /readyz; its log: \(log)", within: 60) {
            try await self.get("/readyz").status == 200
        }
    }

    @discardableResult
    func stop(_ signal: Int32) async throws -> Int32 {
        guard let running = child.withLock({ $0 }) else { throw SupportError("\(name) is not running") }
        return try await running.stop(signal)
    }

    var log: String { child.withLock { $0?.log.path } ?? "none" }
    /// What it has logged in this life.
    var output: String { child.withLock { $0?.output() } ?? "" }
    var isRunning: Bool { child.withLock { $0?.isRunning ?? false } }
    func signal(_ number: Int32) { child.withLock { $0?.signal(number) } }
    var pid: Int32 { child.withLock { $0?.pid } ?? -1 }

    /// Status 0 when nothing answered.
    func get(_ path: String) async throws -> (status: Int, body: String) {
        let answer = try await runToEnd("curl", ["-s", "-m", "10", "-w", "\n%{http_code}", "http://127.0.0.1:\(port)\(path)"])
        var lines = answer.output.split(separator: "\n", omittingEmptySubsequences: false)
        let status = lines.popLast().flatMap { Int($0) } ?? 0
        return (status, lines.joined(separator: "\n"))
    }

    func json(_ path: String) async throws -> [String: Any] {
        let answer = try await get(path)
        guard answer.status == 200 else { throw SupportError("\(name) \(path): \(answer.status) \(answer.body)") }
        guard let object = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any] else {
            throw SupportError("\(name) \(path): no JSON object: \(answer.body)")
        }
        return object
    }

    /// The sum over all label sets of a Prometheus sample, those whose line contains `label` where given.
    func metric(_ metric: String, label: String = "") async throws -> Double {
        let text = try await get("/metrics").body
        return text.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix(metric + "{") || line.hasPrefix(metric + " "), label.isEmpty || line.contains(label) else { return sum }
            return sum + (line.split(separator: " ").last.flatMap { Double($0) } ?? 0)
        }
    }
}
