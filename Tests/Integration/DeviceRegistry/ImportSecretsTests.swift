import HTTPServer
import JSON
import PostgresClient
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Secrets that come with an import", .timeLimit(.minutes(3)))
struct ImportSecretsTests {
    private static let csv: HTTPHeaders = ["Content-Type": "text/csv"]

    private func file(_ ids: [String], lifecycle: String = "active") -> String {
        "id,type,lifecycle\n" + ids.map { "\($0),sensor,\(lifecycle)\n" }.joined()
    }

    /// Lines of the answer but the last, which holds the counts.
    private func rows(_ answer: RegistryFixture.Answer) throws -> [JSONValue] {
        try answer.body.split(separator: "\n").dropLast().map { try JSONReader.parse(String($0)) }
    }

    private func secrets(_ answer: RegistryFixture.Answer) throws -> [String: String] {
        var secrets: [String: String] = [:]
        for row in try rows(answer) {
            if let id = row["id"]?.stringValue, let secret = row["secret"]?.stringValue { secrets[id] = secret }
        }
        return secrets
    }

    @Test("ten thousand devices come in one call, each with its own secret, which the broker is told to take and which no table holds")
    func fleet() async throws {
        try await RegistryFixture.with { registry in
            let ids = (0..<10_000).map { "m\($0)" }
            let answer = try await registry.ask(.post, "/v1/devices:import?secrets=missing&results=none", file(ids), Self.csv)
            #expect(answer.status == 200)
            #expect(answer.headers["Cache-Control"] == "no-store")
            let secrets = try secrets(answer)
            #expect(Set(secrets.keys) == Set(ids), "secrets are shown whatever `results` says")
            #expect(Set(secrets.values).count == ids.count)
            try await registry.following { _ in
                try await registry.viewIsCurrent()
                for id in ids {
                    let secret = try #require(secrets[id])
                    let told = try await registry.connect(id, signedPassword(id, secret))
                    #expect(told.json["result"] == .string("allow"), "\(id)")
                }
            }
            let stored = try registry.rows("SELECT to_jsonb(c)::text FROM registry.credentials c LIMIT 100").joined()
            #expect(!secrets.values.contains { stored.contains($0) })
            #expect(
                try registry.rows("SELECT count(*), min(actor) FROM registry.audit WHERE kind = 'credential' AND action = 'import'")
                    == ["10000|local"])
        }
    }

    @Test("the same file again issues none and changes nothing")
    func again() async throws {
        try await RegistryFixture.with { registry in
            let target = "/v1/devices:import?secrets=missing"
            let first = try await registry.ask(.post, target, file(["a", "b", "a"]), Self.csv)
            #expect(try rows(first).map { $0["secret"] != nil } == [true, true, false], "once for a device")
            let before = try registry.dump() + registry.rows("SELECT to_jsonb(c)::text FROM registry.credentials c ORDER BY id")
            let second = try await registry.ask(.post, target, file(["a", "b", "a"]), Self.csv)
            #expect(try secrets(second).isEmpty)
            let after = try registry.dump() + registry.rows("SELECT to_jsonb(c)::text FROM registry.credentials c ORDER BY id")
            #expect(after == before)
        }
    }

    @Test("devices that are there get one when they have none; barred devices, refused rows and dry runs get none")
    func whoGetsOne() async throws {
        try await RegistryFixture.with { registry in
            _ = try await registry.ask(.post, "/v1/devices:import", file(["old"]), Self.csv)
            _ = try await registry.deviceWithSecret("has")
            let text = "id,type,lifecycle\nold,sensor,active\nhas,sensor,active\nbarred,sensor,suspended\nbad,nothing,active\n"
            let dry = try await registry.ask(.post, "/v1/devices:import?secrets=missing&dryRun=true", text, Self.csv)
            #expect(try secrets(dry).isEmpty)
            #expect(try registry.rows("SELECT count(*) FROM registry.credentials") == ["1"])
            let answer = try await registry.ask(.post, "/v1/devices:import?secrets=missing", text, Self.csv)
            #expect(try secrets(answer).keys.sorted() == ["old"])
            #expect(try rows(answer).last?["outcome"] == .string("failed"))
        }
    }

    @Test("`renew` takes back what nobody has used, for a file whose results were lost")
    func renewing() async throws {
        try await RegistryFixture.with { registry in
            let first = try secrets(await registry.ask(.post, "/v1/devices:import?secrets=missing", file(["a", "b"]), Self.csv))
            try PostgresConnection(registry.url, PostgresOptions(applicationName: "test")).execute(
                "UPDATE registry.credentials SET last_used_at = now() WHERE device = 'a'")
            let second = try secrets(await registry.ask(.post, "/v1/devices:import?secrets=renew", file(["a", "b"]), Self.csv))
            #expect(second.keys.sorted() == ["b"])
            #expect(second["b"] != first["b"])
            #expect(
                try registry.rows("SELECT device, state, count(*) FROM registry.credentials GROUP BY 1, 2 ORDER BY 1, 2")
                    == ["a|active|1", "b|active|1", "b|revoked|1"])
        }
    }

    @Test("a table for a spreadsheet has the secrets as its last columns")
    func spreadsheet() async throws {
        try await RegistryFixture.with { registry in
            let answer = try await registry.ask(.post, "/v1/devices:import?secrets=missing&format=csv", file(["a"]), Self.csv)
            let lines = answer.body.split(separator: "\r\n")
            #expect(lines.first == "line,id,outcome,code,field,message,credential,secret")
            let cells = try #require(lines.last).split(separator: ",", omittingEmptySubsequences: false)
            #expect(cells.count == 8)
            #expect(cells.last?.utf8.count == 64)
        }
    }

    @Test("without a master key nothing is imported")
    func noMasterKey() async throws {
        var settings = IdentitySettings.test
        settings.master = nil
        try await RegistryFixture.with(settings: settings) { registry in
            let answer = try await registry.ask(.post, "/v1/devices:import?secrets=missing", file(["a"]), Self.csv)
            #expect((answer.status, answer.code) == (404, "no_master_key"))
            #expect(try registry.rows("SELECT count(*) FROM registry.devices") == ["0"])
        }
    }
}
