import HTTPServer
import JSON
import PostgresClient
import Testing

@testable import DeviceRegistry

@Suite("Credentials of devices")
struct CredentialTests {
    private func list(_ registry: RegistryFixture, _ id: String) async throws -> [JSONValue] {
        try await registry.ask(.get, "/v1/devices/\(id)/credentials").json["credentials"]?.arrayValue ?? []
    }

    @Test("a secret is shown once and is nowhere in the database")
    func issuing() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/pump-7", #"{"type":"sensor"}"#)
            let made = try await registry.ask(.post, "/v1/devices/pump-7/credentials", #"{"note":"Workshop","not_after":"+1d"}"#)
            #expect(made.status == 201)
            #expect(made.headers["Cache-Control"] == "no-store")
            let secret = try #require(made.json["secret"]?.stringValue)
            #expect(secret.utf8.count == 64)
            #expect(made.json["product_key"] == .string("martlet"))
            let listed = try await list(registry, "pump-7")
            #expect(listed.count == 1)
            let credential = try #require(listed.first)
            #expect(credential["id"] == made.json["id"])
            #expect(credential["state"] == .string("active"))
            #expect(credential["note"] == .string("Workshop"))
            #expect(credential["secret"] == nil)
            let stored = try registry.rows("SELECT to_jsonb(c)::text FROM registry.credentials c") + registry.dump()
            #expect(!stored.contains { $0.contains(secret) })
        }
    }

    @Test("every change has its audit row and wakes the view")
    func audit() async throws {
        try await RegistryFixture.with { registry in
            let (credential, _) = try await registry.deviceWithSecret("d")
            let before = registry.changes.value
            for _ in 0..<2 {
                let revoked = try await registry.ask(.post, "/v1/devices/d/credentials/\(credential):revoke")
                #expect((revoked.status, revoked.json["state"]) == (200, .string("revoked")))
                #expect(revoked.json["revoked_at"]?.stringValue != nil)
            }
            #expect(registry.changes.value > before)
            let rows = try registry.rows("SELECT action, key, after ->> 'state' FROM registry.audit WHERE kind = 'credential' ORDER BY id")
            #expect(rows == ["issue|\(credential)|active", "revoke|\(credential)|revoked"])
            let told = try await registry.ask(.get, "/v1/audit?kind=credential&key=\(credential)").json["entries"]?.arrayValue?.count
            #expect(told == 2)
            #expect(try registry.rows("SELECT count(*) FROM registry.access_changes WHERE devices = '{d}'") == ["3"])
        }
    }

    @Test("a device has several credentials, and no more than eight that hold")
    func several() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            // At once: the device's row is locked, so none slips through.
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<12 { group.addTask { try await registry.ask(.post, "/v1/devices/d/credentials", "{}").status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [Int](repeating: 201, count: 8) + [Int](repeating: 409, count: 4))
            let full = try await registry.ask(.post, "/v1/devices/d/credentials", "{}")
            #expect(full.code == "too_many_credentials")
            let first = try #require(try await list(registry, "d").first?["id"]?.stringValue)
            try await registry.ask(.post, "/v1/devices/d/credentials/\(first):revoke")
            #expect(try await registry.ask(.post, "/v1/devices/d/credentials", "{}").status == 201)
        }
    }

    @Test("devices that do not count get none")
    func barred() async throws {
        try await RegistryFixture.with { registry in
            for (id, step) in [("s", ":suspend"), ("r", ":retire")] {
                try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#)
                try await registry.ask(.post, "/v1/devices/\(id)\(step)")
                let refused = try await registry.ask(.post, "/v1/devices/\(id)/credentials", "{}")
                #expect((refused.status, refused.code, refused.field) == (409, "device_barred", "id"))
            }
            try await registry.ask(.put, "/v1/devices/x", #"{"type":"sensor"}"#)
            try await registry.ask(.delete, "/v1/devices/x")
            #expect(try await registry.ask(.post, "/v1/devices/x/credentials", "{}").code == "device_barred")
            try await registry.ask(.post, "/v1/devices/x:purge")
            let gone = try await registry.ask(.post, "/v1/devices/x/credentials", "{}")
            #expect((gone.status, gone.code) == (404, "device_unknown"))
            #expect(try await registry.ask(.get, "/v1/devices/x/credentials").code == "device_unknown")
            #expect(try registry.rows("SELECT count(*) FROM registry.credentials") == ["0"])
        }
    }

    @Test("a purge takes the credentials along")
    func purging() async throws {
        try await RegistryFixture.with { registry in
            let (credential, _) = try await registry.deviceWithSecret("d")
            try await registry.ask(.delete, "/v1/devices/d")
            #expect(try await registry.ask(.post, "/v1/devices/d:purge").status == 204)
            #expect(try registry.rows("SELECT count(*) FROM registry.credentials") == ["0"])
            let rows = try registry.rows(
                "SELECT action FROM registry.audit WHERE kind = 'credential' AND key = '\(credential)' ORDER BY id")
            #expect(rows == ["issue", "purge"])
        }
    }

    @Test("without a master key there are no secrets")
    func noMasterKey() async throws {
        try await RegistryFixture.with(settings: IdentitySettings(master: nil)) { registry in
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            let refused = try await registry.ask(.post, "/v1/devices/d/credentials", "{}")
            #expect((refused.status, refused.code) == (404, "no_master_key"))
            #expect(try registry.rows("SELECT count(*) FROM registry.credentials") == ["0"])
        }
    }

    @Test("what is refused leaves nothing behind")
    func refusals() async throws {
        try await RegistryFixture.with { registry in
            let (credential, _) = try await registry.deviceWithSecret("d")
            try await registry.ask(.put, "/v1/devices/other", #"{"type":"sensor"}"#)
            let before = try registry.dump() + registry.rows("SELECT to_jsonb(c)::text FROM registry.credentials c")
            let path = "/v1/devices/d/credentials"
            let deep = String(repeating: #"{"note":"#, count: 20) + "1" + String(repeating: "}", count: 20)
            let tries: [(String, String, String, String)] = [
                (path, "[]", "wrong_type", "body"), (path, #"{"secret":"mine"}"#, "unknown_member", "secret"),
                (path, #"{"kind":"password"}"#, "invalid_value", "kind"), (path, #"{"kind":7}"#, "wrong_type", "kind"),
                (path, #"{"kind":"secret","kind":"secret"}"#, "duplicate_member", "kind"),
                (path, #"{"note":"\#(String(repeating: "n", count: 257))"}"#, "too_long", "note"),
                (path, #"{"note":"a\u0000b"}"#, "invalid_value", "note"), (path, #"{"not_after":"-1s"}"#, "invalid_value", "not_after"),
                (path, #"{"not_before":"+2h","not_after":"+1h"}"#, "invalid_value", "not_after"),
                (path, #"{"not_after":"tomorrow"}"#, "invalid_value", "not_after"), (path, #"{"not_after":5}"#, "wrong_type", "not_after"),
                (path, #"{"not_after":"9999-01-01"}"#, "invalid_value", "not_after"), (path, deep, "body_too_deep", ""),
                (path, "{", "invalid_body", ""), (path, String(repeating: " ", count: 5_000) + "{}", "body_too_large", ""),
                ("/v1/devices/d'%20OR%20'1'='1/credentials", "{}", "invalid_parameter", "id"),
                ("/v1/devices/nobody/credentials", "{}", "device_unknown", "id"),
                ("/v1/devices/other/credentials/\(credential):revoke", "", "credential_unknown", "credential"),
                ("\(path)/0000000000000000:revoke", "", "credential_unknown", "credential"),
                ("\(path)/\(credential.uppercased())x:revoke", "", "invalid_parameter", "credential"),
                ("\(path)/';DROP%20TABLE%20x;--:revoke", "", "invalid_parameter", "credential"),
                ("\(path)?secret=mine", "{}", "unknown_parameter", "secret"),
            ]
            for (target, body, code, field) in tries {
                let answer = try await registry.ask(.post, target, body)
                #expect((answer.code, answer.field ?? "") == (code, field), "\(target) \(body.prefix(60))")
                #expect(answer.headers["Content-Type"] == "application/problem+json")
            }
            let text = try await registry.ask(.post, path, "{}", ["Content-Type": "text/plain"])
            #expect(text.code == "unsupported_media_type")
            #expect(try registry.dump() + registry.rows("SELECT to_jsonb(c)::text FROM registry.credentials c") == before)
        }
    }
}
