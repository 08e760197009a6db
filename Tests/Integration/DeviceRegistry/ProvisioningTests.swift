import Crypto
import Domain
import HTTPServer
import JSON
import PostgresClient
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Provisioning")
struct ProvisioningTests {
    private static let template = #"{"type":"sensor","labels":{"site":"north"}}"#

    private func claim(_ registry: RegistryFixture, _ members: String) async throws -> (id: String, token: String) {
        let made = try await registry.ask(.post, "/v1/claims", "{\(members),\"template\":\(Self.template)}")
        guard let id = made.json["claim"]?["id"]?.stringValue, let token = made.json["token"]?.stringValue else {
            throw SupportError("no claim: \(made.status) \(made.body)")
        }
        return (id, token)
    }

    private func enrolment(_ registry: RegistryFixture, _ members: String = #""quota":100"#) async throws -> (id: String, key: String) {
        let made = try await registry.ask(.post, "/v1/enrolments", "{\"pattern\":\"pump-*\",\(members),\"template\":\(Self.template)}")
        guard let id = made.json["id"]?.stringValue, let key = made.json["key"]?.stringValue else {
            throw SupportError("no enrolment: \(made.status) \(made.body)")
        }
        return (id, key)
    }

    private func redeem(_ registry: RegistryFixture, _ token: String, _ device: String? = nil) async throws -> RegistryFixture.Answer {
        let body = JSONValue.object(["claim": .string(token), "device": device.map { .string($0) }])
        return try await registry.ask(.post, "/v1/provision", body.text)
    }

    private func enrol(_ registry: RegistryFixture, _ id: String, _ key: String, _ device: String) async throws -> RegistryFixture.Answer {
        let proof = Hexadecimal.encode(HMACSHA256.code(for: Array(device.utf8), key: SymmetricKey(Array(key.utf8))))
        let body = JSONValue.object(["enrolment": .string(id), "device": .string(device), "proof": .string(proof)])
        return try await registry.ask(.post, "/v1/provision", body.text)
    }

    private func stored(_ registry: RegistryFixture) throws -> [String] {
        try registry.dump()
            + ["credentials", "claims", "enrolments"].flatMap { try registry.rows("SELECT to_jsonb(x)::text FROM registry.\($0) x") }
    }

    private func alter(_ registry: RegistryFixture, _ sql: String) throws {
        try PostgresConnection(registry.url, PostgresOptions(applicationName: "test")).execute(sql)
    }

    @Test("a claim makes one device as its template says, with a secret that the broker takes")
    func claiming() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { _ in
                let (id, token) = try await claim(registry, #""device":"pump-7""#)
                let made = try await redeem(registry, token)
                #expect((made.status, made.headers["Cache-Control"]) == (201, "no-store"))
                #expect(made.json["device"]?["id"] == .string("pump-7"))
                #expect(made.json["device"]?["labels"]?["site"] == .string("north"))
                let secret = try #require(made.json["secret"]?.stringValue)
                try await registry.viewIsCurrent()
                #expect(try await registry.connect("pump-7", signedPassword("pump-7", secret)).json["result"] == .string("allow"))
                let listed = try await registry.ask(.get, "/v1/claims").json["claims"]?.arrayValue?.first
                #expect(listed?["state"] == .string("used"))
                #expect(listed?["used_by"] == .string("pump-7"))
                let rows = try registry.rows("SELECT actor, action, kind FROM registry.audit WHERE actor LIKE 'claim:%' ORDER BY id")
                #expect(rows == ["claim:\(id)|provision|device", "claim:\(id)|provision|claim", "claim:\(id)|provision|credential"])
                let text = try stored(registry)
                let half = try #require(token.split(separator: ".").last)
                #expect(!text.contains { $0.contains(half) || $0.contains(secret) }, "neither token nor secret is stored")
                #expect(!text.contains { $0.contains("\"hash\"") && $0.contains("audit") })
            }
        }
    }

    @Test("of many who show one claim at once, one gets a device")
    func race() async throws {
        try await RegistryFixture.with { registry in
            let (_, token) = try await claim(registry, #""pattern":"pump-*""#)
            let answers = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let answer = try await redeem(registry, token, "pump-\(number)")
                        return (answer.status, answer.code)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.count { $0.0 == 201 } == 1)
            #expect(answers.count { $0 == (409, "claim_used") } == 11)
            #expect(try registry.rows("SELECT count(*) FROM registry.devices") == ["1"])
            #expect(try registry.rows("SELECT count(*) FROM registry.credentials") == ["1"])
        }
    }

    @Test("a device that was registered beforehand gets its secret by a claim for its id, and only so")
    func registeredBeforehand() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/pump-7", #"{"type":"sensor","name":"Known"}"#)
            let (_, token) = try await claim(registry, #""device":"pump-7""#)
            let made = try await redeem(registry, token, "pump-7")
            #expect(made.status == 201)
            #expect(made.json["device"]?["name"] == .string("Known"), "what was known stays")
            #expect(made.json["device"]?["revision"] == .int(1))
            let (_, loose) = try await claim(registry, #""pattern":"*""#)
            let taken = try await redeem(registry, loose, "pump-7")
            #expect((taken.status, taken.code, taken.field) == (409, "already_exists", "device"))
            let (id, key) = try await enrolment(registry)
            #expect(try await enrol(registry, id, key, "pump-7").code == "already_exists")
            // A refusal burns no claim.
            #expect(try await redeem(registry, loose, "pump-8").status == 201)
        }
    }

    @Test("a claim that is no longer good, or not for this, makes nothing")
    func claimRefusals() async throws {
        try await RegistryFixture.with { registry in
            let (first, used) = try await claim(registry, #""device":"a""#)
            #expect(try await redeem(registry, used).status == 201)
            let (revokedID, revoked) = try await claim(registry, #""device":"b""#)
            #expect(try await registry.ask(.post, "/v1/claims/\(revokedID):revoke").json["state"] == .string("revoked"))
            #expect(try await registry.ask(.post, "/v1/claims/\(first):revoke").json["state"] == .string("used"))
            let (old, expired) = try await claim(registry, #""device":"c""#)
            try alter(
                registry,
                "UPDATE registry.claims SET created_at = now() - interval '2 h', expires_at = now() WHERE id = '\(old)'")
            let (_, suspended) = try await claim(registry, #""device":"s""#)
            try await registry.ask(.put, "/v1/devices/s", #"{"type":"sensor"}"#)
            try await registry.ask(.post, "/v1/devices/s:suspend")
            let (_, deleted) = try await claim(registry, #""device":"x""#)
            try await registry.ask(.put, "/v1/devices/x", #"{"type":"sensor"}"#)
            try await registry.ask(.delete, "/v1/devices/x")
            let (_, own) = try await claim(registry, #""device":"own""#)
            let (_, some) = try await claim(registry, #""pattern":"pump-*""#)
            let before = try stored(registry)
            let forged = String(own.dropLast(4)) + (own.hasSuffix("AAAA") ? "BBBA" : "AAAA")
            let swapped = "\(first).\(own.split(separator: ".")[1])"
            let tries: [(String, String?, Int, String)] = [
                (used, nil, 409, "claim_used"), (revoked, nil, 403, "claim_ended"), (expired, nil, 403, "claim_ended"),
                (suspended, nil, 409, "device_barred"), (deleted, nil, 409, "device_barred"), (own, "other", 403, "device_not_allowed"),
                (some, "valve-1", 403, "device_not_allowed"), (some, nil, 400, "missing_member"), (forged, nil, 401, "claim_refused"),
                (swapped, nil, 401, "claim_refused"), ("0123456789abcdef.AAAA", nil, 401, "claim_refused"),
                ("x", nil, 401, "claim_refused"),
                ("' OR 1=1 --", nil, 401, "claim_refused"), (some, "pump-1' --", 400, "invalid_value"),
                (some, "pump-" + String(repeating: "1", count: 128), 400, "too_long"),
                (String(repeating: "x", count: 129), nil, 400, "too_long"),
            ]
            for (token, device, status, code) in tries {
                let answer = try await redeem(registry, token, device)
                #expect((answer.status, answer.code) == (status, code), "\(token.prefix(20)) \(device ?? "")")
                #expect(!answer.body.contains(token), "no answer repeats what was shown")
            }
            #expect(try stored(registry) == before, "nothing is half done")
        }
    }

    @Test("a group of devices registers itself by proofs, up to its quota")
    func enrolling() async throws {
        try await RegistryFixture.with { registry in
            let (id, key) = try await enrolment(registry, #""quota":3"#)
            let answers = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for number in 0..<8 {
                    group.addTask {
                        let answer = try await enrol(registry, id, key, "pump-\(number)")
                        return (answer.status, answer.code)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.count { $0.0 == 201 } == 3)
            #expect(answers.count { $0 == (403, "quota_exceeded") } == 5)
            let listed = try await registry.ask(.get, "/v1/enrolments").json["enrolments"]?.arrayValue?.first
            #expect(listed?["used"] == .int(3))
            #expect(listed?["key"] == nil)
            #expect(try registry.rows("SELECT count(*) FROM registry.devices") == ["3"])
            #expect(try !stored(registry).contains { $0.contains(key) }, "the key is not stored")
        }
    }

    @Test("a proof for another device, by another key, of an ended group or beyond the rate makes nothing")
    func enrolmentRefusals() async throws {
        try await RegistryFixture.with { registry in
            let (id, key) = try await enrolment(registry)
            let (ended, endedKey) = try await enrolment(registry)
            try await registry.ask(.post, "/v1/enrolments/\(ended):revoke")
            let (old, oldKey) = try await enrolment(registry, #""quota":5,"expires_at":"+1h""#)
            try alter(
                registry,
                "UPDATE registry.enrolments SET created_at = now() - interval '2 h', expires_at = now() WHERE id = '\(old)'"
            )
            let before = try stored(registry)
            let tries: [(String, String, String, Int, String)] = [
                (ended, endedKey, "pump-1", 403, "claim_ended"), (old, oldKey, "pump-1", 403, "claim_ended"),
                (id, endedKey, "pump-1", 401, "claim_refused"), (id, String(key.dropLast()), "pump-1", 401, "claim_refused"),
                (id, key, "valve-1", 403, "device_not_allowed"), ("0000000000000000", key, "pump-1", 401, "claim_refused"),
                ("'; --", key, "pump-1", 401, "claim_refused"),
                (
                    "00000000000000aa", registry.identity.settings.master?.enrolmentKey(CredentialID(number: 0xAA)) ?? "", "pump-1", 401,
                    "claim_refused"
                ),
            ]
            for (group, key, device, status, code) in tries {
                let answer = try await enrol(registry, group, key, device)
                #expect((answer.status, answer.code) == (status, code), "\(group) \(device)")
            }
            let proof = Hexadecimal.encode(HMACSHA256.code(for: Array("pump-1".utf8), key: SymmetricKey(Array(key.utf8))))
            let other = #"{"enrolment":"\#(id)","device":"pump-2","proof":"\#(proof)"}"#
            #expect(try await registry.ask(.post, "/v1/provision", other).code == "claim_refused")
            #expect(try stored(registry) == before)
        }
    }

    @Test("who registers too quickly is told to wait")
    func rate() async throws {
        var settings = IdentitySettings.test
        settings.enrolmentsPerMinute = 10
        try await RegistryFixture.with(settings: settings) { registry in
            let (id, key) = try await enrolment(registry)
            #expect(try await enrol(registry, id, key, "pump-1").status == 201)
            let paused = try await enrol(registry, id, key, "pump-2")
            #expect((paused.status, paused.code) == (429, "too_many_requests"))
            let seconds = try #require(paused.headers["Retry-After"].flatMap { Int($0) })
            #expect((1...6).contains(seconds))
            let (other, otherKey) = try await enrolment(registry)
            #expect(try await enrol(registry, other, otherKey, "pump-3").status == 201, "one group does not slow another")
        }
    }

    @Test("a claim and a group's key are good for nothing else")
    func nothingElse() async throws {
        try await RegistryFixture.with { registry in
            try await registry.following { _ in
                let (claimID, token) = try await claim(registry, #""device":"d""#)
                let (enrolmentID, key) = try await enrolment(registry)
                try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
                try await registry.viewIsCurrent()
                for secret in [token, String(token.dropFirst(17)), key] {
                    for password in [secret, signedPassword("d", secret)] {
                        #expect(try await registry.connect("d", password).json["result"] == .string("deny"))
                    }
                }
                for credential in [claimID, enrolmentID] {
                    #expect(try await registry.act("d", "publish", "sensor/d/x", credential: credential) == "deny")
                }
            }
        }
    }

    @Test("what is no claim, no enrolment and no request is refused")
    func malformed() async throws {
        try await RegistryFixture.with { registry in
            let before = try stored(registry)
            let template = #""template":{"type":"sensor"}"#
            let tries: [(String, String, String, String)] = [
                ("claims", "{}", "missing_member", "device"), ("claims", #"{"device":"d"}"#, "missing_member", "template"),
                ("claims", #"{"device":"d","pattern":"*",\#(template)}"#, "invalid_value", "pattern"),
                ("claims", #"{"device":"d'","template":{"type":"sensor"}}"#, "invalid_value", "device"),
                ("claims", #"{"pattern":"a*b*",\#(template)}"#, "invalid_value", "pattern"),
                ("claims", #"{"pattern":"a b",\#(template)}"#, "invalid_value", "pattern"),
                ("claims", #"{"pattern":7,\#(template)}"#, "wrong_type", "pattern"),
                ("claims", #"{"device":"d","template":{"type":"nothing"}}"#, "type_unknown", "template.type"),
                ("claims", #"{"device":"d","template":{"type":"sensor","id":"e"}}"#, "unknown_member", "template.id"),
                ("claims", #"{"device":"d","template":{"type":"sensor","typ":1}}"#, "unknown_member", "template.typ"),
                ("claims", #"{"device":"d","template":{"type":"sensor","lifecycle":"retired"}}"#, "invalid_value", "template.lifecycle"),
                ("claims", #"{"device":"d","template":[]}"#, "wrong_type", "template"),
                ("claims", #"{"device":"d",\#(template),"seconds":9}"#, "invalid_value", "seconds"),
                ("claims", #"{"device":"d",\#(template),"seconds":86401}"#, "invalid_value", "seconds"),
                ("claims", #"{"device":"d","device":"e",\#(template)}"#, "duplicate_member", "device"),
                ("claims", #"{"device":"d",\#(template),"token":"mine"}"#, "unknown_member", "token"),
                ("enrolments", #"{"quota":1,\#(template)}"#, "missing_member", "pattern"),
                ("enrolments", #"{"pattern":"*",\#(template)}"#, "missing_member", "quota"),
                ("enrolments", #"{"pattern":"*","quota":0,\#(template)}"#, "invalid_value", "quota"),
                ("enrolments", #"{"pattern":"*","quota":1000001,\#(template)}"#, "invalid_value", "quota"),
                ("enrolments", #"{"pattern":"*","quota":1,"expires_at":"-1h",\#(template)}"#, "invalid_value", "expires_at"),
                ("provision", "{}", "missing_member", "claim"), ("provision", #"{"device":"d"}"#, "missing_member", "claim"),
                ("provision", #"{"claim":"a","enrolment":"b"}"#, "invalid_value", "enrolment"),
                ("provision", #"{"claim":"a","proof":"b"}"#, "invalid_value", "proof"),
                ("provision", #"{"enrolment":"a"}"#, "missing_member", "device"),
                ("provision", #"{"enrolment":"a","device":"d"}"#, "missing_member", "proof"),
                ("provision", #"{"claim":7}"#, "wrong_type", "claim"),
                ("provision", #"{"claim":"a","admin":1}"#, "unknown_member", "admin"),
                ("provision", "\"" + String(repeating: "x", count: 40_000) + "\"", "body_too_large", ""),
                ("provision", #"{"claim":{"a":{"b":1}}}"#, "body_too_deep", ""),
            ]
            for (path, body, code, field) in tries {
                let answer = try await registry.ask(.post, "/v1/\(path)", body)
                #expect((answer.code, answer.field ?? "") == (code, field), "\(path) \(body.prefix(80))")
            }
            for kind in ["claims", "enrolments"] {
                let unknown = try await registry.ask(.post, "/v1/\(kind)/0000000000000000:revoke")
                #expect(unknown.status == 404)
                #expect(try await registry.ask(.post, "/v1/\(kind)/x'--:revoke").code == "invalid_parameter")
                #expect(try await registry.ask(.get, "/v1/\(kind)?cursor=abc").code == "invalid_cursor")
            }
            #expect(try stored(registry) == before)
        }
        try await RegistryFixture.with(settings: IdentitySettings(master: nil)) { registry in
            let claim = try await registry.ask(.post, "/v1/claims", #"{"device":"d","template":{"type":"sensor"}}"#)
            #expect((claim.status, claim.code) == (404, "no_master_key"))
            #expect(try await registry.ask(.post, "/v1/provision", #"{"claim":"a.b"}"#).code == "claim_refused")
        }
    }

    @Test("lists come in pages, the newest first")
    func pages() async throws {
        try await RegistryFixture.with { registry in
            for number in 0..<7 { _ = try await claim(registry, #""device":"d\#(number)""#) }
            var seen: [String] = []
            var target: String? = "/v1/claims?limit=3"
            while let next = target {
                let page = try await registry.ask(.get, next)
                seen += (page.json["claims"]?.arrayValue ?? []).compactMap { $0["device"]?.stringValue }
                target = page.json["next"]?.stringValue.map { "/v1/claims?limit=3&cursor=\($0)" }
            }
            #expect(seen == (0..<7).reversed().map { "d\($0)" })
        }
    }
}
