import Crypto
import Domain
import HTTPServer
import JSON
import Metrics
import PostgresClient
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Answers to the broker")
struct MQTTHookTests {
    @Test("a device is let in by its signature, once, and told what ends it")
    func signatures() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { _ in
                let (credential, secret) = try await registry.deviceWithSecret("pump-7", #"{"not_after":"+1h"}"#)
                try await registry.viewIsCurrent()
                let password = signedPassword("pump-7", secret)
                let answer = try await registry.connect("pump-7", password)
                #expect(answer.status == 200)
                #expect(answer.json["result"] == .string("allow"))
                #expect(answer.json["is_superuser"] == .bool(false))
                #expect(answer.json["client_attrs"]?["credential"] == .string(credential))
                let end = try #require(answer.json["expire_at"]?.intValue)
                #expect(abs(end - ServiceClock.now().microseconds / 1_000_000 - 3_600) < 120)
                #expect(try await registry.connect("pump-7", password).body == "{\"result\":\"deny\"}\n")
                // Without a user name the client id is the device.
                let other = signedPassword("pump-7", secret, offset: 1)
                #expect(try await registry.connect("", other, clientID: "pump-7").json["result"] == .string("allow"))
                // A broker gives the session of a client id to whoever comes with it.
                let third = signedPassword("pump-7", secret, offset: 2)
                for stranger in ["pump-8", "pump-70", "pump-7:1", "PUMP-7"] {
                    #expect(try await registry.connect("pump-7", third, clientID: stranger).json["result"] == .string("deny"))
                }
                #expect(registry.decisions("auth", "deny", "other_device") == 4)
                #expect(try await registry.connect("pump-7", third, clientID: "pump-7/main").json["result"] == .string("allow"))
                #expect(registry.decisions("auth", "allow", "signature") == 3)
                #expect(registry.decisions("auth", "deny", "replayed") == 1)
                try await eventually("the use is written down", within: 30) {
                    try registry.rows("SELECT count(*) FROM registry.credentials WHERE last_used_at IS NOT NULL") == ["1"]
                }
                #expect(
                    try registry.rows("SELECT count(*) FROM registry.audit WHERE kind = 'credential'") == ["1"], "being used is no change")
            }
        }
    }

    @Test("every refusal has its reason in the counts and none in the answer")
    func refusals() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { _ in
                let (_, secret) = try await registry.deviceWithSecret("d")
                try await registry.ask(.put, "/v1/devices/bare", #"{"type":"sensor"}"#)
                try await registry.viewIsCurrent()
                let other = String(repeating: "0", count: 64)
                let tries: [(String?, String?, String)] = [
                    (nil, nil, "no_device"), ("", "", "no_device"), ("undefined", "x", "no_device"), ("d'--", "x", "no_device"),
                    (String(repeating: "d", count: 129), "x", "no_device"), ("\u{0}", "x", "no_device"), ("nobody", "x", "device_unknown"),
                    ("d", nil, "malformed_password"), ("d", "hunter2", "malformed_password"), ("d", secret, "malformed_password"),
                    ("d", String(repeating: "x", count: 60_000), "malformed_password"),
                    ("d", signedPassword("d", other), "wrong_signature"), ("d", signedPassword("e", secret), "wrong_signature"),
                    ("d", signedPassword("d", secret, productKey: "sensor"), "wrong_signature"),
                    ("d", signedPassword("d", secret, offset: -301_000), "clock"),
                    ("d", signedPassword("d", secret, offset: 301_000), "clock"),
                    ("bare", signedPassword("bare", secret), "no_credential"),
                ]
                for (username, password, reason) in tries {
                    let before = registry.decisions("auth", "deny", reason) ?? 0
                    let answer = try await registry.connect(username, password)
                    #expect((answer.status, answer.body) == (200, "{\"result\":\"deny\"}\n"), "\(reason)")
                    #expect(registry.decisions("auth", "deny", reason) == before + 1, "\(reason)")
                }
                #expect(registry.decisions("auth", "allow", "signature") == 0)
            }
        }
    }

    @Test("a device reaches its own topics only")
    func topics() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { _ in
                let (credential, _) = try await registry.deviceWithSecret("d")
                try await registry.viewIsCurrent()
                #expect(try await registry.act("d", "publish", "sensor/d/telemetry", credential: credential) == "allow")
                #expect(try await registry.act("d", "subscribe", "sensor/d/#") == "allow")
                #expect(try await registry.act("d", "publish", "sensor/e/telemetry", credential: credential) == "deny")
                #expect(try await registry.act("d", "subscribe", "sensor/+/telemetry") == "deny")
                #expect(try await registry.act("d", "subscribe", "#") == "deny")
                #expect(try await registry.act("d", "publish", String(repeating: "\u{1}", count: 65_535)) == "deny")
                #expect(try await registry.act("nobody", "publish", "sensor/nobody/telemetry") == "deny")
                #expect(try await registry.act("", "publish", "sensor//telemetry") == "deny")
                #expect(try await registry.act("d", "publish", "sensor/d/x", credential: "0000000000000000") == "deny")
                #expect(try await registry.act("d", "publish", "sensor/d/x", credential: "' OR 1=1") == "deny")
                #expect(registry.decisions("acl", "allow", "own_topic") == 2)
                #expect(registry.decisions("acl", "deny", "other_topic") == 4)
                #expect(registry.decisions("acl", "deny", "credential_ended") == 2)
            }
        }
    }

    @Test("a credential that is revoked and a device that is barred are out at once, and back when that is undone")
    func revocation() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { metrics in
                let (credential, secret) = try await registry.deviceWithSecret("d")
                let (second, secondSecret) = try await registry.deviceWithSecret("d")
                func result(_ secret: String) async throws -> String? {
                    try await registry.viewIsCurrent()
                    return try await registry.connect("d", signedPassword("d", secret)).json["result"]?.stringValue
                }
                #expect(try await result(secret) == "allow")
                try await registry.ask(.post, "/v1/devices/d/credentials/\(credential):revoke")
                #expect(try await result(secret) == "deny")
                #expect(try await registry.act("d", "publish", "sensor/d/x", credential: credential) == "deny")
                #expect(try await result(secondSecret) == "allow")
                try await registry.ask(.post, "/v1/devices/d:suspend")
                #expect(try await result(secondSecret) == "deny")
                #expect(try await registry.act("d", "publish", "sensor/d/x", credential: second) == "deny")
                try await registry.ask(.post, "/v1/devices/d:activate")
                #expect(try await result(secondSecret) == "allow")
                #expect(try await registry.act("d", "publish", "sensor/d/x", credential: second) == "allow")
                try await registry.ask(.delete, "/v1/devices/d")
                #expect(try await result(secondSecret) == "deny")
                try await registry.ask(.post, "/v1/devices/d:purge")
                #expect(try await result(secondSecret) == "deny")
                // The id is taken anew by another: what the old one had is worth nothing.
                try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
                #expect(try await result(secondSecret) == "deny")
                for reason in ["device_suspended", "device_deleted", "device_unknown", "wrong_signature", "no_credential"] {
                    #expect(registry.decisions("auth", "deny", reason) == 1, "\(reason)")
                }
                #expect(metrics.reloads.value == 1, "all of it by changes alone")
            }
        }
    }

    @Test("changes that commit late, out of their order, are seen")
    func lateCommits() async throws {
        try await RegistryFixture.with { registry in
            for id in ["early", "late"] { try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#) }
            try await registry.following { metrics in
                try await registry.viewIsCurrent()
                let late = try PostgresConnection(registry.url, PostgresOptions(applicationName: "late"))
                try late.execute("BEGIN; UPDATE registry.devices SET lifecycle = 'suspended' WHERE id = 'late'")
                try await registry.ask(.post, "/v1/devices/early:suspend")
                try await registry.viewIsCurrent()
                func standing(_ id: String) throws -> DeviceAccess.Standing? { registry.identity.view.device(try .init(id))?.standing }
                #expect(try standing("early") == .suspended)
                #expect(try standing("late") == .good)
                try await registry.ask(.post, "/v1/devices/early:activate")
                try late.execute("COMMIT")
                try await registry.viewIsCurrent()
                #expect(try standing("late") == .suspended)
                #expect(try standing("early") == .good)
                #expect(metrics.reloads.value == 1)
            }
        }
    }

    @Test("the view after any changes is the one that is read from zero")
    func convergence() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { _ in
                var random = SeededRandom(seed: 7)
                for _ in 0..<150 {
                    let id = "d\(Int.random(in: 0..<8, using: &random))"
                    let steps = [":suspend", ":activate", ":retire", ":purge", "/credentials"]
                    switch Int.random(in: 0..<8, using: &random) {
                    case 0..<3: try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#)
                    case 3: try await registry.ask(.delete, "/v1/devices/\(id)")
                    default: try await registry.ask(.post, "/v1/devices/\(id)\(steps.randomElement(using: &random) ?? "")", "{}")
                    }
                }
                try await registry.viewIsCurrent()
                let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
                let fresh = AccessView()
                fresh.replaceAll(with: try connection.accessContent().0)
                for number in 0..<8 {
                    let (kept, read) = (registry.identity.view.device(try .init("d\(number)")), fresh.device(try .init("d\(number)")))
                    #expect(kept?.standing == read?.standing)
                    #expect(Set(kept?.credentials ?? []) == Set(read?.credentials ?? []))
                }
                #expect(registry.identity.view.count == fresh.count)
            }
        }
    }

    @Test("an import of many devices is one change, and all of them are known")
    func bulk() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { metrics in
                try await registry.viewIsCurrent()
                let rows = "id,type\n" + (0..<6_000).map { "bulk-\($0),sensor\n" }.joined()
                let answer = try await registry.ask(.post, "/v1/devices:import?results=none", rows, ["Content-Type": "text/csv"])
                #expect(answer.status == 200)
                try await registry.viewIsCurrent()
                #expect(registry.identity.view.count == 6_000)
                #expect(metrics.reloads.value == 1)
                #expect(try registry.rows("SELECT count(*) < 10 FROM registry.access_changes") == ["true"])
            }
        }
    }

    @Test("before the first look and when the database is away for long, nobody is let in")
    func closed() async throws {
        var settings = IdentitySettings.test
        settings.staleness = .milliseconds(500)
        try await RegistryFixture.with(settings: settings) { registry in
            let (_, secret) = try await registry.deviceWithSecret("d")
            let early = try await registry.connect("d", signedPassword("d", secret))
            #expect((early.status, early.code, early.headers["Retry-After"]) == (503, "not_current", "1"))
            #expect(try await registry.act("d", "publish", "sensor/d/x") == "deny")
            try await registry.following { _ in
                try await registry.viewIsCurrent()
                #expect(try await registry.connect("d", signedPassword("d", secret)).json["result"] == .string("allow"))
            }
            // Nobody follows any more.
            try await eventually("the view is old", within: 10) { !registry.identity.view.isCurrent(within: settings.staleness) }
            #expect(try await registry.connect("d", signedPassword("d", secret, offset: 1)).code == "not_current")
            #expect(try await registry.act("d", "publish", "sensor/d/x") == "deny")
            #expect(registry.decisions("auth", "unavailable", "not_current") == 2)
            #expect(registry.decisions("acl", "deny", "not_current") == 2)
        }
    }

    @Test("a session that dies is followed by one that reads everything anew")
    func lostSession() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            try await registry.following { metrics in
                try await registry.viewIsCurrent()
                let killed = try registry.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'device-registry-access' AND datname = current_database()"
                )
                #expect(killed == ["true"])
                try await registry.ask(.post, "/v1/devices/d:suspend")
                try await registry.viewIsCurrent()
                #expect(registry.identity.view.device(try .init("d"))?.standing == .suspended)
                #expect(metrics.reloads.value == 2)
            }
        }
    }

    @Test("what is no question is refused with a code")
    func malformed() async throws {
        try await RegistryFixture.with { registry in
            let tries: [(String, String, String)] = [
                ("auth", "[]", "wrong_type"), ("auth", #"{"user":"d"}"#, "unknown_member"), ("auth", #"{"username":7}"#, "wrong_type"),
                ("auth", #"{"username":"a","username":"b"}"#, "duplicate_member"), ("auth", "username=d", "invalid_body"),
                ("auth", #"{"username":{"a":{"b":1}}}"#, "body_too_deep"),
                ("auth", "\"" + String(repeating: "x", count: 530_000) + "\"", "body_too_large"), ("acl", "{}", "missing_member"),
                ("acl", #"{"action":"publish"}"#, "missing_member"), ("acl", #"{"action":"all","topic":"t"}"#, "invalid_value"),
                ("acl", #"{"action":"publish","topic":7}"#, "wrong_type"),
                ("acl", #"{"action":"publish","topic":"t","qos":1}"#, "unknown_member"),
            ]
            for (hook, body, code) in tries {
                let answer = try await registry.ask(.post, "/v1/mqtt/\(hook)", body)
                #expect(answer.code == code, "\(hook) \(body.prefix(60))")
            }
        }
    }
}
