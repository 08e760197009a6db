import Foundation
import HTTPKit
import HTTPServer
import JSON
import Logging
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Imports over a socket", .timeLimit(.minutes(2)))
struct ImportStreamTests {
    private static let header = "id,type,name\n"

    private func rows(_ range: Range<Int>) -> String { range.map { "s\($0),sensor,Device \($0)\n" }.joined() }

    /// Batches of 100 rows, and what they may wait on a socket.
    private func serving(_ body: (RegistryFixture, HTTPServer) async throws -> Void) async throws {
        var limits = ImportLimits()
        limits.batchRows = 100
        try await RegistryFixture.with(limits: limits) { registry in
            var configuration = HTTPServerConfiguration()
            configuration.uploads = { registry.router.uploadAllowance($0, $1) }
            let server = HTTPServer(configuration: configuration, logger: Logger(label: "test", level: .critical)) {
                await registry.router.respond(to: $0)
            }
            try server.start()
            do {
                try await body(registry, server)
                await server.stop(gracePeriod: .seconds(2))
            } catch {
                await server.stop(gracePeriod: .zero)
                throw error
            }
        }
    }

    private func count(_ registry: RegistryFixture) throws -> Int {
        try #require(Int(registry.rows("SELECT count(*) FROM registry.devices")[0]))
    }

    @Test("rows are stored while the file still arrives; when its client leaves, whole batches stand and the rest is none")
    func theClientLeaves() async throws {
        try await serving { registry, server in
            let (curl, input) = try startCurl(server.port)
            // More than a socket holds: the server has read it for the most part before it can be written.
            try input.write(contentsOf: Data((Self.header + rows(0..<50_000)).utf8))
            try await eventually("batches are stored before the file is complete") { try count(registry) >= 10_000 }
            curl.terminate()
            curl.waitUntilExit()
            try await eventually("the import is over") {
                try registry.rows("SELECT state FROM registry.imports") == ["stopped"]
            }
            let stored = try count(registry)
            #expect(stored % 50 == 0)
            #expect(stored <= 50_000)
            #expect(try registry.rows("SELECT created FROM registry.imports") == ["\(stored)"])
            #expect(
                try registry.rows("SELECT count(DISTINCT key), count(*) FROM registry.outbox WHERE kind = 'device'") == [
                    "\(stored)|\(stored)"
                ])
            let again = try await registry.ask(
                .post, "/v1/devices:import?results=none", Self.header + rows(0..<50_000), ["Content-Type": "text/csv"])
            let summary = try JSONReader.parse(again.body)
            #expect(summary["unchanged"] == .int(Int64(stored)))
            #expect(summary["created"] == .int(Int64(50_000 - stored)))
        }
    }

    @Test("a file far larger than other bodies may be is taken, in chunks or announced", arguments: ["", "Transfer-Encoding: chunked"])
    func largeFiles(framing: String) async throws {
        try await serving { registry, server in
            let file = try makeTemporaryFolder("import").appendingPathComponent("fleet.csv")
            let padding = String(repeating: "x", count: 200)
            let text = Self.header + (0..<20_000).map { "s\($0),sensor,\(padding)\n" }.joined()
            #expect(text.utf8.count > 4 * HTTPServerLimits().bodyBytes)
            try text.write(to: file, atomically: true, encoding: .utf8)
            let curl = Process()
            curl.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
            let results = file.appendingPathExtension("results")
            curl.arguments =
                [
                    "-sS", "--fail", "--noproxy", "*", "-X", "POST", "-T", file.path, "-H", "Content-Type: text/csv", "-o", results.path,
                ] + (framing.isEmpty ? [] : ["-H", framing]) + ["http://127.0.0.1:\(server.port)/v1/devices:import"]
            try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                curl.terminationHandler = { _ in done.resume() }
                do { try launch(curl) } catch { done.resume(throwing: error) }
            }
            #expect(curl.terminationStatus == 0)
            let lines = try String(contentsOf: results, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 20_001)
            #expect(lines.last.flatMap { try? JSONReader.parse(String($0)) }?["created"] == .int(20_000))
            #expect(try count(registry) == 20_000)
        }
    }

    @Test("an import that nobody disturbs takes large batches; beside requests they are small")
    func givesWay() async throws {
        try await RegistryFixture.with { registry in
            // 50 twice, as the second is full before the first is back; 100, …, 3,200; three of 5,000.
            let undisturbed = try await batches(of: 20_000, "a", registry)
            #expect(undisturbed == 11)
            let requests = Task {
                while !Task.isCancelled { _ = try await registry.ask(.get, "/v1/devices/a1") }
            }
            defer { requests.cancel() }
            let beside = try await batches(of: 20_000, "b", registry)
            #expect(beside > 15)
        }
    }

    /// How many batches an import of new devices takes.
    private func batches(of rows: Int, _ prefix: String, _ registry: RegistryFixture) async throws -> Int {
        let file = Self.header + (0..<rows).map { "\(prefix)\($0),sensor,\n" }.joined()
        let answer = try await registry.ask(.post, "/v1/devices:import?results=none", file, ["Content-Type": "text/csv"])
        let id = try #require(answer.json["import"]?.intValue)
        return try #require(Int(registry.rows("SELECT count(*) FROM registry.audit WHERE kind = 'import' AND key = '\(id)'")[0]))
    }

    @Test("more imports than may run at a time are told to come again")
    func slots() async throws {
        try await serving { registry, server in
            var running: [(Process, FileHandle)] = []
            for number in 0..<ImportLimits().concurrent {
                let (curl, input) = try startCurl(server.port)
                try input.write(contentsOf: Data("\(Self.header)a\(number),sensor,\n".utf8))
                running.append((curl, input))
            }
            try await eventually("both imports run") { try registry.rows("SELECT count(*) FROM registry.imports") == ["2"] }
            let refused = try await registry.ask(.post, "/v1/devices:import", Self.header, ["Content-Type": "text/csv"])
            #expect(refused.status == 503)
            #expect(refused.code == "imports_busy")
            for (curl, input) in running {
                try input.close()
                curl.waitUntilExit()
                #expect(curl.terminationStatus == 0)
            }
            #expect(try await registry.ask(.post, "/v1/devices:import", Self.header, ["Content-Type": "text/csv"]).status == 200)
            #expect(try count(registry) == 2)
        }
    }

    /// A curl that sends what is written to its input.
    private func startCurl(_ port: Int) throws -> (Process, FileHandle) {
        let curl = Process()
        curl.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        curl.arguments = [
            "-sS", "--noproxy", "*", "-X", "POST", "-T", "-", "-H", "Content-Type: text/csv", "-H", "Expect:",
            "http://127.0.0.1:\(port)/v1/devices:import?results=none",
        ]
        let pipe = Pipe()
        curl.standardInput = pipe
        curl.standardOutput = FileHandle.nullDevice
        curl.standardError = FileHandle.nullDevice
        // The next curl must not hold this one's input open.
        _ = fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try launch(curl)
        return (curl, pipe.fileHandleForWriting)
    }
}
