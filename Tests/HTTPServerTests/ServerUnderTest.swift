import Foundation
import HTTPServer
import Logging
import Metrics

/// Runs a server for `body` and stops it afterwards, whatever happens.
func withServer<R: Sendable>(
    limits: HTTPServerLimits = HTTPServerLimits(), tls: HTTPServerTLS? = nil, metrics: MetricsRegistry? = nil,
    immediate: HTTPServer.ImmediateHandler? = nil, handler: @escaping HTTPServer.Handler, _ body: (HTTPServer) async throws -> R
) async throws -> R {
    let server = HTTPServer(
        configuration: HTTPServerConfiguration(tls: tls, limits: limits), logger: Logger(label: "test"), metrics: metrics,
        immediate: immediate, handler: handler)
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

struct CurlResult: Sendable {
    let status: Int32
    let bytes: Data
    var output: String { String(decoding: bytes, as: UTF8.self) }
}

/// Runs curl to its end, without blocking the cooperative pool.
func curl(_ arguments: String...) async throws -> CurlResult { try await curl(arguments) }

func curl(_ arguments: [String]) async throws -> CurlResult {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
    process.arguments = ["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    return try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            do {
                try process.run()
                let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
                process.waitUntilExit()
                continuation.resume(returning: CurlResult(status: process.terminationStatus, bytes: bytes))
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
