import Domain
import Foundation
import FoundationNetworking
import HTTPServer
import Logging
import Synchronization
import TestSupport
import Testing

@testable import ServiceKit

@Suite struct StartupTests {
    private let record = LogRecord()
    private let said = Lines()
    private let complained = Lines()

    private func startup(_ arguments: [String], _ environment: [String: String] = [:]) -> ServiceStartup {
        ServiceStartup(
            ExampleService.blueprint, arguments: arguments, environment: environment, sink: .recording(into: record),
            output: { [said] in said.add($0) }, complaint: { [complained] in complained.add($0) })
    }

    /// Runs the example on a free port while `body` talks to it, then stops it.
    private func withExample(_ arguments: [String] = [], _ body: (ExampleClient) async throws -> Void) async throws -> Int32 {
        let shutdown = ShutdownSignal()
        let (ports, sender) = AsyncStream.makeStream(of: Int.self)
        let startup = startup(["--greeting.name", "world", "--http.port=0", "--auth=off"] + arguments)
        let running = Task {
            let code = await startup.run(until: shutdown) { sender.yield($0) }
            sender.finish()
            return code
        }
        for await port in ports {
            do {
                try await body(ExampleClient(port: port))
            } catch {
                shutdown.request()
                _ = await running.value
                throw error
            }
            shutdown.request()
        }
        return await running.value
    }

    @Test func theWholeServiceAnswersAndStopsInOrder() async throws {
        let code = try await withExample { client in
            try await eventually("ready") { try await client.get("/readyz").status == 200 }
            #expect(try await client.get("/v1/greeting").text == "hello, world")
            let health = try await client.get("/healthz")
            #expect(health.status == 200)
            #expect(health.text == "{\"status\":\"ok\"}\n")
            #expect(try await client.get("/readyz").text == #"{"checks":[{"name":"loop","ready":true}],"ready":true}"# + "\n")
            let metrics = try await client.get("/metrics")
            #expect(metrics.type == "text/plain; version=0.0.4; charset=utf-8")
            #expect(metrics.text.contains("\nexample_greetings_total 1\n"))
            #expect(metrics.text.contains("iot_build_info{service=\"example\",version=\"\(BuildInfo.version)\"} 1"))
            #expect(metrics.text.contains("iot_http_requests_total{method=\"GET\",route=\"/v1/greeting\",status=\"200\"} 1"))
            let document = try await client.get("/openapi.json").text
            for path in ["/v1/greeting", "/healthz", "/readyz", "/metrics", "/openapi.json"] { #expect(document.contains("\"\(path)\"")) }
            let missing = try await client.get("/nowhere")
            #expect(missing.status == 404)
            #expect(missing.type == "application/problem+json")
        }
        #expect(code == 0)
        let events = try record.lines.map { try JSONDecoder().decode([String: String].self, from: Data($0.utf8)) }
        let messages = events.filter { $0["label"] == "example" }.compactMap { $0["message"] }
        #expect(messages == ["started", "shutting down", "stopped"])
    }

    @Test func aFailingPartStopsTheServiceWithCodeOneAndSaysWhy() async throws {
        let code = try await withExample(["--failing"]) { _ in }
        #expect(code == 1)
        #expect(record.lines.contains { $0.contains("service greeter failed: told to fail") })
        #expect(record.lines.last?.contains("\"level\":\"critical\"") == true)
    }

    @Test func aPortInUseStopsTheStartBeforeAnythingRuns() async throws {
        let code = try await withExample { client in
            let other = ServiceStartup(
                ExampleService.blueprint, arguments: ["--greeting.name=x", "--http.port=\(client.port)", "--auth=off"],
                sink: .recording(into: record))
            #expect(await other.run(until: ShutdownSignal()) == 1)
            #expect(record.lines.last?.contains("\(client.port)") == true)
        }
        #expect(code == 0)
    }

    @Test func wrongSettingsEndWithSixtyFour() async {
        let code = await startup(["--greeting.txt=x", "--http.port=99999"]).run(until: ShutdownSignal())
        #expect(code == 64)
        #expect(
            complained.text == """
                example: greeting.txt (command line): there is no such setting; did you mean greeting.text?
                example: greeting.name: is required; give --greeting.name or MARTLET_GREETING_NAME. Who is greeted.
                example: http.port = “99999” (command line): is not allowed; allowed: 0…65535
                example: --help explains every setting

                """)
        #expect(record.lines.isEmpty)
    }

    @Test func settingsThatContradictEachOtherEndWithSixtyFour() async {
        let code = await startup(["--greeting.name=x", "--http.tls.key=k.pem", "--http.port=0", "--auth=off"]).run(until: ShutdownSignal())
        #expect(code == 64)
        #expect(complained.text.contains("http.tls.certificate: is needed when"))
    }

    @Test func helpVersionAndConfigurationAreSaidAndNothingRuns() async {
        for (arguments, expected) in [
            (["--help"], "Usage: example"), (["-h", "--nonsense"], "--greeting.name  (text; required)"),
            (["--version"], "example \(BuildInfo.version)\n"), (["--print-config", "--greeting.name=x"], "# command line\n"),
        ] {
            #expect(await startup(arguments).run(until: ShutdownSignal()) == 0)
            #expect(said.text.contains(expected))
        }
        #expect(record.lines.isEmpty)
        #expect(complained.text.isEmpty)
    }

    @Test func aMisspeltVariableIsLogged() async throws {
        let shutdown = ShutdownSignal()
        shutdown.request()
        let startup = startup(["--http.port=0", "--auth=off"], ["MARTLET_GREETING_NAME": "x", "MARTLET_GREETING_TXT": "y"])
        #expect(await startup.run(until: shutdown) == 0)
        #expect(record.lines.first?.contains("did you mean MARTLET_GREETING_TEXT?") == true)
    }
}

/// Each runs in a process of its own.
@Suite struct SignalTests {
    @Test func theFirstSignalStopsInOrder() async {
        await #expect(processExitsWith: .exitCode(0)) {
            await ServiceMain.run(
                ExampleService.blueprint, arguments: ["--greeting.name=x", "--http.port=0", "--auth=off"], environment: [:]
            ) { _ in
                kill(getpid(), SIGTERM)
            }
        }
    }

    @Test func theSecondSignalEndsTheProcessAtOnce() async {
        await #expect(processExitsWith: .exitCode(128 + SIGINT)) {
            let stubborn = ServiceBlueprint(name: "stubborn", summary: "never stops.", httpPort: 0, keys: []) { _, _ in
                ServiceParts(services: [
                    ServiceTask("stubborn") {
                        await gracefulShutdown()
                        kill(getpid(), SIGINT)
                        await ShutdownSignal().wait()
                    }
                ])
            }
            await ServiceMain.run(stubborn, arguments: ["--auth=off"], environment: [:]) { _ in kill(getpid(), SIGTERM) }
        }
    }

    @Test func aPeerThatHangsUpIsNoSignal() async {
        await #expect(processExitsWith: .exitCode(EPIPE)) {
            let signals = TerminationSignals {}
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { exit(1) }
            close(ends[0])
            let written = write(ends[1], "x", 1)
            let reason = errno
            signals.cancel()
            exit(written == 1 ? 0 : reason)
        }
    }
}

@Suite struct ServiceContextTests {
    @Test func theTimeIsThatOfTheSystemUnlessATestSaysOtherwise() {
        let before = Timestamp(microseconds: Int64(Date.now.timeIntervalSince1970 * 1e6) - 1)
        let context = ServiceContext(name: "c", logger: Logger(label: "c"))
        #expect(context.now() >= before)
        #expect(context.now().duration(to: Timestamp(microseconds: Int64(Date.now.timeIntervalSince1970 * 1e6) + 1)) >= .zero)
        #expect(ServiceContext(name: "c", logger: Logger(label: "c"), now: { .unixEpoch }).now() == .unixEpoch)
        #expect(context.logger(for: "part").label == "c.part")
    }
}

@Suite struct ReadinessTests {
    private let shutdown = ShutdownSignal()

    @Test func everyCheckIsToldWithItsReason() async {
        struct Away: Error, CustomStringConvertible { let description = "connection refused" }
        let probe = ReadinessProbe(
            [
                ReadinessCheck("a") { .ready }, ReadinessCheck("b") { .notReady("lag 12 s") }, ReadinessCheck("c") { throw Away() },
            ], shutdown: shutdown)
        #expect(
            await probe.report()
                == ReadinessReport(
                    ready: false,
                    checks: [
                        .init(name: "a", ready: true, reason: nil), .init(name: "b", ready: false, reason: "lag 12 s"),
                        .init(name: "c", ready: false, reason: "connection refused"),
                    ]))
    }

    @Test func withoutChecksItIsReadyUntilItShutsDown() async {
        let probe = ReadinessProbe([], shutdown: shutdown)
        #expect(await probe.report().ready)
        shutdown.request()
        #expect(await probe.report().checks == [.init(name: "process", ready: false, reason: "is shutting down")])
    }

    @Test func aCheckThatHangsIsAskedOnceAndReported() async throws {
        let release = ShutdownSignal()
        let asked = Lines()
        let check = ReadinessCheck("slow", timeout: .milliseconds(1)) {
            asked.add("asked\n")
            // Not `release.wait()` alone: the probe cancels what is late, and this check does not listen.
            await Task { await release.wait() }.value
            return .ready
        }
        let probe = ReadinessProbe([check], shutdown: shutdown)
        #expect(await probe.report().checks.first?.reason == "no answer within 1ms")
        #expect(await probe.report().checks.first?.reason == "an earlier probe is still waiting for the answer")
        #expect(asked.text == "asked\n")
        release.request()
        try await eventually("the check is free again") { await probe.report().checks.first?.reason?.contains("earlier") != true }
    }
}

@Suite struct ReadmeTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-readme-\(UUID().uuidString)")

    private func readme(_ text: String) throws -> String {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.appendingPathComponent("README.md").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func aStaleReadmeIsFoundAndRewritten() async throws {
        let tables = try await ReadmeTables(ExampleService.blueprint, values: ["greeting.name": "x"])
        let blocks = ["config", "routes", "metrics"].map { "<!-- generated: \($0) -->\nold\n<!-- /generated -->\n" }
        let path = try readme("# Example\n" + blocks.joined(separator: "\ntext\n"))
        #expect(try tables.problems(inFile: path, environment: [:]).count == 3)
        #expect(try tables.problems(inFile: path, environment: ["UPDATE_README": "1"]).isEmpty)
        #expect(try tables.problems(inFile: path, environment: [:]).isEmpty)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.hasPrefix("# Example\n<!-- generated: config -->\n| Setting | Environment |"))
        #expect(text.contains("| `greeting.name` | `MARTLET_GREETING_NAME` | text | required | Who is greeted. |"))
        #expect(text.contains("| `http.port` | `MARTLET_HTTP_PORT` | integer: 0…65535 | `8099` |"))
        #expect(text.contains("| `example_greetings_total` | counter |  | Greetings said. |"))
        #expect(text.contains("| `iot_http_requests_total` | counter | `method`, `route`, `status` |"))
        #expect(text.contains("`GET /v1/greeting`"))
        #expect(text.contains("`GET /readyz`"))
        #expect(text.contains("\ntext\n"))
    }

    @Test func aMissingBlockIsNamed() async throws {
        let tables = try await ReadmeTables(ExampleService.blueprint, values: ["greeting.name": "x"])
        let problems = try tables.problems(inFile: try readme("# Example\n"), environment: ["UPDATE_README": "1"])
        #expect(problems.count == 3)
        #expect(problems.first?.contains("has no block “<!-- generated: config -->”") == true)
    }
}

/// Text that several threads add to.
private final class Lines: Sendable {
    private let stored = Mutex("")
    var text: String { stored.withLock { $0 } }
    func add(_ text: String) { stored.withLock { $0 += text } }
}

/// Talks to the example over its real port.
private struct ExampleClient: Sendable {
    let port: Int

    struct Answer {
        let status: Int
        let type: String?
        let text: String
    }

    func get(_ path: String) async throws -> Answer {
        guard let url = URL(string: "http://127.0.0.1:\(port)\(path)") else { throw SupportError("no URL: \(path)") }
        let (data, response) = try await URLSession.shared.data(from: url)
        guard let response = response as? HTTPURLResponse else { throw SupportError("no HTTP answer from \(url)") }
        return Answer(
            status: response.statusCode, type: response.value(forHTTPHeaderField: "Content-Type"),
            text: String(decoding: data, as: UTF8.self))
    }
}
