import AccessTokens
import Crypto
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import ServiceKit

@Suite struct AccessKeyTests {
    private func problem(_ values: [String: String]) throws -> ConfigError.Problem? {
        let table = ExampleService.blueprint.table
        let config = try ConfigReader(table, values: values.merging(["greeting.name": "x"]) { mine, _ in mine })
        let context = ServiceContext(name: "example", logger: Logger(label: "test", sink: .recording(into: LogRecord())))
        do throws(ConfigError) {
            _ = try AccessKeys.control(config, context)
            return nil
        } catch {
            return error.problems.first
        }
    }

    @Test(arguments: ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    func itCanBeOffOnLoopback(host: String) throws {
        #expect(try problem(["auth": "off", "http.host": host]) == nil)
    }

    @Test(arguments: ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "127.0.0", "1270.0.0.1", "localhost.example", "127.0.0.256", ""])
    func itCannotBeOffElsewhere(host: String) throws {
        let problem = try #require(try problem(["auth": "off", "http.host": host]))
        #expect(problem.key == "auth")
        #expect(problem.reason.contains("loopback"))
    }

    @Test func itIsOnUnlessSaidOtherwiseAndThenNeedsKeys() throws {
        let missing = try #require(try problem([:]))
        #expect(missing.key == "auth.jwks")
        #expect(missing.reason.contains("martlet tokens create-key"))
        let unreadable = try #require(try problem(["auth.jwks": "/nonexistent/jwks.json"]))
        #expect(unreadable.reason.contains("No such file"))
    }

    @Test func itStartsWithKeysOnAnyAddress() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("jwks.json")
            try Data(try KeySet([TokenSigner(PrivateKey(.ed25519)).key]).json()).write(to: file)
            #expect(try problem(["auth.jwks": file.path, "http.host": "0.0.0.0"]) == nil)
        }
    }

    @Test func aServiceWithoutKeysDoesNotStart() async throws {
        let complaints = Mutex<[String]>([])
        let startup = ServiceStartup(
            ExampleService.blueprint, arguments: ["--greeting.name=x", "--http.port=0"], sink: .recording(into: LogRecord()),
            complaint: { line in complaints.withLock { $0.append(line) } })
        #expect(await startup.run(until: ShutdownSignal()) == 64)
        #expect(complaints.withLock { $0.joined() }.contains("auth.jwks: is needed while auth is on"))
    }
}
