import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct UploadAllowanceTests {
    /// `/big` may bring 8 MiB and take 60 s; everything else is held to 1,000 bytes and 30 s.
    private func withAllowance<R: Sendable>(handler: @escaping HTTPServer.Handler, _ body: (HTTPServer) async throws -> R) async throws -> R
    {
        var configuration = HTTPServerConfiguration()
        configuration.limits.bodyBytes = 1_000
        configuration.uploads = { method, path in
            method == .post && path == "/big" ? HTTPUploadAllowance(bytes: 8 << 20, patience: .seconds(60)) : nil
        }
        let server = HTTPServer(configuration: configuration, logger: Logger(label: "test", level: .critical), handler: handler)
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

    @Test(arguments: [("/big", 5 << 20, "200 5242880"), ("/big", 9 << 20, "413"), ("/small", 1_001, "413")], ["", "chunked"])
    func onlyThatRouteTakesMore(request: (path: String, bytes: Int, answer: String), coding: String) async throws {
        let file = try makeTemporaryFolder("upload").appendingPathComponent("body")
        try Data(repeating: 0x61, count: request.bytes).write(to: file)
        try await withAllowance { request in
            do {
                var count = 0
                for try await chunk in request.body { count += chunk.count }
                return .text(" \(count)")
            } catch {
                return HTTPResponse(status: 413)
            }
        } _: { server in
            let framing = coding.isEmpty ? [] : ["--header", "Transfer-Encoding: chunked"]
            let result = try await curl(
                ["--data-binary", "@\(file.path)", "--write-out", "%{http_code}", "--output", "-"] + framing
                    + ["http://127.0.0.1:\(server.port)\(request.path)"])
            let expected = request.answer.split(separator: " ")
            #expect(result.output.hasSuffix(String(expected[0])))
            if expected.count == 2 { #expect(result.output.contains(" \(expected[1])")) }
        }
    }

    @Test func thatRouteIsGivenMoreTime() async throws {
        let outcome = Mutex<HTTPBodyError?>(nil)
        let pieces = Atomic<Int>(0)
        try await withAllowance { request in
            do {
                for try await _ in request.body { pieces.add(1, ordering: .relaxed) }
            } catch { outcome.withLock { $0 = error as? HTTPBodyError } }
            return .text("")
        } _: { server in
            let port = server.port
            try await onThread {
                let client = try RawClient(port: port)
                client.send("POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\nfirst")
                while pieces.load(ordering: .relaxed) < 1 { usleep(1_000) }
                server.sweep(now: .now + .seconds(31))
                client.send("second")
                while pieces.load(ordering: .relaxed) < 2 { usleep(1_000) }
                let early = outcome.withLock { $0 }
                #expect(early == nil)
                server.sweep(now: .now + .seconds(61))
                #expect(try client.receiveAll().isEmpty)
            }
            try await eventually("the handler is told") { outcome.withLock { $0 == .deadline } }
        }
    }
}
