import Foundation
import HTTPServer
import Logging
import Metrics

/// Runs a server for `body` and stops it afterwards, whatever happens.
func withServer<R: Sendable>(
    limits: HTTPServerLimits = HTTPServerLimits(), tls: HTTPServerTLS? = nil, metrics: MetricsRegistry? = nil, log: LogRecord = LogRecord(),
    immediate: HTTPServer.ImmediateHandler? = nil, handler: @escaping HTTPServer.Handler, _ body: (HTTPServer) async throws -> R
) async throws -> R {
    let server = HTTPServer(
        configuration: HTTPServerConfiguration(tls: tls, limits: limits),
        logger: Logger(label: "test", level: .info, sink: .recording(into: log)), metrics: metrics, immediate: immediate, handler: handler)
    try server.start()
    do {
        let result = try await body(server)
        await server.stop(gracePeriod: .seconds(2))
        return result
    } catch {
        await server.stop(gracePeriod: .zero)
        throw error
    }
}

/// Runs blocking work on a thread of its own, so that the cooperative pool stays free for the server's handlers.
func onThread<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}

struct ToolResult: Sendable {
    let status: Int32
    let bytes: [UInt8]
    var output: String { String(decoding: bytes, as: UTF8.self) }
}

func curl(_ arguments: String...) async throws -> ToolResult { try await curl(arguments) }

func curl(_ arguments: [String]) async throws -> ToolResult {
    try await run("/usr/bin/curl", ["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"] + arguments)
}

/// Runs a program to its end and collects its standard output.
func run(_ program: String, _ arguments: [String], folder: URL? = nil) async throws -> ToolResult {
    try await onThread {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return ToolResult(status: process.terminationStatus, bytes: Array(bytes))
    }
}
