import AccessTokens
import Crypto
import Domain
import Foundation
import HTTPKit
import HTTPServer
import JSON
import Logging
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Access tokens that the registry issues")
struct TokenIssueTests {
    /// A registry that issues tokens and asks for its own.
    private func withIssuer(
        _ algorithm: SigningAlgorithm = .ed25519, longest: Int64 = 86_400, _ body: (RegistryFixture, TokenSettings) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let signer = try TokenSigner(PrivateKey(algorithm))
            let issuer = TokenSettings(signer: signer, keys: try KeySet([signer.key]), longest: longest)
            let file = folder.appendingPathComponent("jwks.json")
            try Data(try issuer.keys.json()).write(to: file)
            var settings = IdentitySettings.test
            settings.tokens = issuer
            let access = try AccessControl.verifying(
                keySet: file.path, issuer: "martlet", audience: "martlet", now: { ServiceClock.now() },
                logger: Logger(label: "test", level: .critical))
            try await RegistryFixture.with(settings: settings, access: access) { registry in
                try await registry.following { _ in try await body(registry, issuer) }
            }
        }
    }

    private func bearer(_ issuer: TokenSettings, _ scopes: Set<Scope>, seconds: Int64 = 600) throws -> HTTPHeaders {
        let now = ServiceClock.now().microseconds / 1_000_000
        let claims = AccessClaims(
            issuer: "martlet", subject: "client:admin", audience: ["martlet"], expires: now + seconds, scopes: scopes)
        return ["Authorization": "Bearer \(try issuer.signer.sign(claims))"]
    }

    /// A device with a secret, made by somebody who may.
    private func device(_ registry: RegistryFixture, _ issuer: TokenSettings, _ id: String) async throws -> (
        credential: String, secret: String
    ) {
        let headers = try bearer(issuer, [.devicesWrite, .credentialsWrite])
        try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#, headers)
        let made = try await registry.ask(.post, "/v1/devices/\(id)/credentials", "{}", headers)
        try await registry.viewIsCurrent()
        return (try #require(made.json["id"]?.stringValue), try #require(made.json["secret"]?.stringValue))
    }

    private func connect(_ registry: RegistryFixture, _ issuer: TokenSettings, _ username: String, _ password: String) async throws
        -> JSONValue
    {
        let body = JSONValue.object(["username": .string(username), "password": .string(password)])
        return try await registry.ask(.post, "/v1/mqtt/auth", body.text, bearer(issuer, [.mqttAuth])).json
    }

    private func tokenOf(_ registry: RegistryFixture, _ id: String, _ password: String, more: String = "") async throws
        -> RegistryFixture.Answer
    {
        try await registry.ask(.post, "/v1/devices/\(id)/tokens", "{\"password\":\"\(password)\"\(more)}")
    }

    @Test("a device gets a token by its signature and connects with it", arguments: SigningAlgorithm.allCases)
    func devices(algorithm: SigningAlgorithm) async throws {
        try await withIssuer(algorithm) { registry, issuer in
            let (credential, secret) = try await device(registry, issuer, "d")
            let made = try await tokenOf(registry, "d", signedPassword("d", secret), more: ",\"seconds\":60")
            #expect((made.status, made.headers["Cache-Control"]) == (201, "no-store"))
            #expect((made.json["token_type"], made.json["expires_in"]) == (.string("Bearer"), .int(60)))
            let token = try #require(made.json["access_token"]?.stringValue)
            for _ in 0..<2 {
                let answer = try await connect(registry, issuer, "d", token)
                #expect(answer["result"] == .string("allow"))
                #expect(answer["client_attrs"]?["credential"] == .string(credential))
                #expect(answer["expire_at"]?.intValue != nil)
            }
            #expect(registry.decisions("auth", "allow", "token") == 2)
            // The device reaches what is its own by HTTP, and nothing else.
            let headers: HTTPHeaders = ["Authorization": "Bearer \(token)"]
            #expect(try await registry.ask(.post, "/v1/devices/d/credentials", "{}", headers).status == 403)
            #expect(try await registry.ask(.get, "/v1/devices/d", nil, headers).status == 403)
            #expect(try await registry.ask(.post, "/v1/tokens", #"{"subject":"client:x"}"#, headers).status == 403)
        }
    }

    @Test("a device's token changes nothing any more once its credential has ended, or the device is barred")
    func endedCredential() async throws {
        try await withIssuer { registry, issuer in
            let admin = try bearer(issuer, [.devicesWrite, .devicesAdmin, .credentialsWrite])
            func report(_ id: String, _ token: String) async throws -> RegistryFixture.Answer {
                let headers: HTTPHeaders = ["Authorization": "Bearer \(token)", "Content-Type": "application/merge-patch+json"]
                return try await registry.ask(.patch, "/v1/devices/\(id)/facts", #"{"uptime":1}"#, headers)
            }
            let (credential, secret) = try await device(registry, issuer, "d")
            let token = try #require(try await tokenOf(registry, "d", signedPassword("d", secret)).json["access_token"]?.stringValue)
            #expect(try await report("d", token).status == 200)
            #expect(try await registry.ask(.post, "/v1/devices/d/credentials/\(credential):revoke", nil, admin).status == 200)
            let ended = try await report("d", token)
            #expect((ended.status, ended.code) == (403, "credential_ended"))

            let (_, other) = try await device(registry, issuer, "e")
            let another = try #require(try await tokenOf(registry, "e", signedPassword("e", other)).json["access_token"]?.stringValue)
            #expect(try await registry.ask(.post, "/v1/devices/e:activate", nil, admin).status == 200)
            #expect(try await registry.ask(.post, "/v1/devices/e:suspend", nil, admin).status == 200)
            let barred = try await report("e", another)
            #expect((barred.status, barred.code) == (403, "credential_ended"))
        }
    }

    @Test("the broker takes no token that is another's, is over, is forged or came of a credential that ended")
    func refusals() async throws {
        try await withIssuer { registry, issuer in
            let (credential, secret) = try await device(registry, issuer, "d")
            _ = try await device(registry, issuer, "e")
            let token = try #require(
                try await tokenOf(registry, "d", signedPassword("d", secret)).json["access_token"]?.stringValue)
            let now = ServiceClock.now().microseconds / 1_000_000
            func signed(_ subject: String, _ change: (inout AccessClaims) -> Void = { _ in }, by signer: TokenSigner? = nil) throws
                -> String
            {
                var claims = AccessClaims(
                    issuer: "martlet", subject: subject, audience: ["martlet"], expires: now + 600, id: "\(credential).x", scopes: [])
                change(&claims)
                return try (signer ?? issuer.signer).sign(claims)
            }
            let stranger = try TokenSigner(PrivateKey(.ed25519), id: issuer.signer.key.id)
            let tries: [(String, String, String)] = [
                ("e", token, "other_device"), ("d", try signed("client:d"), "other_device"), ("d", try signed("d"), "other_device"),
                ("d", try signed("device:d", { $0.expires = now - 3_600 }), "token_expired"),
                ("d", try signed("device:d", { $0.issuer = "other" }), "wrong_token"),
                ("d", try signed("device:d", { $0.audience = ["other"] }), "wrong_token"),
                ("d", try signed("device:d", { $0.notBefore = now + 3_600 }), "wrong_token"),
                ("d", try signed("device:d", by: stranger), "wrong_token"), ("d", token + "x", "wrong_token"),
                ("d", "a.b.c", "wrong_token"),
                ("d", "..", "wrong_token"), ("d", try signed("device:d", { $0.id = "00000000000000aa.x" }), "credential_ended"),
            ]
            for (username, password, reason) in tries {
                let before = registry.decisions("auth", "deny", reason) ?? 0
                #expect(try await connect(registry, issuer, username, password) == .object(["result": .string("deny")]), "\(reason)")
                #expect(registry.decisions("auth", "deny", reason) == before + 1, "\(reason)")
            }
            #expect(try await connect(registry, issuer, "d", token)["result"] == .string("allow"))
            let headers = try bearer(issuer, [.credentialsWrite, .devicesWrite])
            try await registry.ask(.post, "/v1/devices/d/credentials/\(credential):revoke", nil, headers)
            try await registry.viewIsCurrent()
            #expect(try await connect(registry, issuer, "d", token)["result"] == .string("deny"))
        }
    }

    @Test("a device that does not show a fresh signature of its own gets no token")
    func deviceRefusals() async throws {
        try await withIssuer { registry, issuer in
            let (_, secret) = try await device(registry, issuer, "d")
            let password = signedPassword("d", secret)
            #expect(try await tokenOf(registry, "d", password).status == 201)
            let tries: [(String, String)] = [
                ("d", password), ("d", "x"), ("d", signedPassword("e", secret)), ("e", signedPassword("e", secret)),
                ("d", signedPassword("d", secret, offset: -301_000)), ("d", signedPassword("d", String(repeating: "0", count: 64))),
            ]
            for (id, password) in tries {
                let answer = try await tokenOf(registry, id, password)
                #expect((answer.status, answer.code, answer.field) == (401, "credential_refused", "password"))
                #expect(!answer.body.contains(password))
            }
            let fresh = signedPassword("d", secret, offset: 1)
            #expect(try await tokenOf(registry, "d", fresh, more: ",\"seconds\":0").code == "invalid_value")
            #expect(try await tokenOf(registry, "d", fresh, more: ",\"scope\":\"devices:admin\"").code == "unknown_member")
            #expect(try await registry.ask(.post, "/v1/devices/d/tokens", "{}").code == "missing_member")
            try await registry.ask(.post, "/v1/devices/d:suspend", nil, bearer(issuer, [.devicesWrite]))
            try await registry.viewIsCurrent()
            #expect(try await tokenOf(registry, "d", fresh).code == "credential_refused")
        }
    }

    @Test("people and programs get tokens with scopes of the caller's own, no longer than his")
    func people() async throws {
        try await withIssuer(longest: 7_200) { registry, issuer in
            let headers = try bearer(issuer, [.tokensWrite, .devicesRead, .telemetryRead], seconds: 5_400)
            let body = #"{"subject":"client:report","scope":"devices:read telemetry:read","seconds":600}"#
            let made = try await registry.ask(.post, "/v1/tokens", body, headers)
            #expect((made.status, made.json["expires_in"]) == (201, .int(600)))
            let token = try #require(made.json["access_token"]?.stringValue)
            #expect(try await registry.ask(.get, "/v1/devices", nil, ["Authorization": "Bearer \(token)"]).status == 200)
            let long = try await registry.ask(.post, "/v1/tokens", #"{"subject":"person:me","seconds":2678400}"#, headers)
            let seconds = try #require(long.json["expires_in"]?.intValue)
            #expect((5_300...5_400).contains(seconds), "never longer than the caller's own")
            let unbounded = try await registry.ask(
                .post, "/v1/tokens", #"{"subject":"person:me","seconds":2678400}"#, bearer(issuer, [.tokensWrite], seconds: 90_000))
            #expect(unbounded.json["expires_in"] == .int(7_200), "never longer than tokens are")
            let rows = try registry.rows(
                "SELECT actor, action, after ->> 'subject', after ->> 'scope' FROM registry.audit WHERE kind = 'token' ORDER BY id")
            #expect(rows.first == "client:admin|issue|client:report|devices:read telemetry:read")
            #expect(rows.count == 3)
            #expect(try !registry.dump().contains { $0.contains(token.suffix(40)) }, "no token is stored")
        }
    }

    @Test("nobody gives away what he does not have")
    func scopes() async throws {
        try await withIssuer { registry, issuer in
            let few = try bearer(issuer, [.tokensWrite, .devicesRead])
            let tries: [(String, HTTPHeaders, Int, String)] = [
                (#"{"subject":"client:x","scope":"devices:write"}"#, few, 403, "scope_not_held"),
                (#"{"subject":"client:x","scope":"devices:read audit:read"}"#, few, 403, "scope_not_held"),
                (#"{"subject":"client:x"}"#, try bearer(issuer, [.devicesRead]), 403, "insufficient_scope"),
                (#"{"subject":"client:x"}"#, [:], 401, "unauthorized"), (#"{"subject":"device:d"}"#, few, 400, "invalid_value"),
                (#"{"subject":"client:"}"#, few, 400, "invalid_value"), (#"{"subject":"client:a b"}"#, few, 400, "invalid_value"),
                (#"{"subject":"client:é"}"#, few, 400, "invalid_value"), (#"{"subject":"admin"}"#, few, 400, "invalid_value"),
                ("{}", few, 400, "missing_member"), (#"{"subject":"client:x","scope":"everything"}"#, few, 400, "invalid_value"),
                (#"{"subject":"client:x","scope":7}"#, few, 400, "wrong_type"),
                (#"{"subject":"client:x","scope":["a:b"]}"#, few, 400, "body_too_deep"),
                (#"{"subject":"client:x","seconds":0}"#, few, 400, "invalid_value"),
                (#"{"subject":"client:x","subject":"client:y"}"#, few, 400, "duplicate_member"),
                (#"{"subject":"client:x","aud":"other"}"#, few, 400, "unknown_member"),
            ]
            for (body, headers, status, code) in tries {
                let answer = try await registry.ask(.post, "/v1/tokens", body, headers)
                #expect((answer.status, answer.code) == (status, code), "\(body)")
            }
            #expect(try registry.rows("SELECT count(*) FROM registry.audit WHERE kind = 'token'") == ["0"])
        }
    }

    @Test("the keys are shown to everybody, and only their public halves")
    func keys() async throws {
        try await withIssuer { registry, issuer in
            let shown = try await registry.ask(.get, "/v1/jwks")
            #expect((shown.status, shown.headers["Content-Type"]) == (200, "application/jwk-set+json"))
            #expect(try KeySet(json: Array(shown.body.utf8)).ids == [issuer.signer.key.id])
            #expect(!shown.body.contains("\"d\""))
        }
        try await RegistryFixture.with { registry in
            for (method, path, body) in [(HTTPMethod.get, "/v1/jwks", nil), (.post, "/v1/tokens", #"{"subject":"client:x"}"#)] {
                let answer = try await registry.ask(method, path, body)
                #expect((answer.status, answer.code) == (404, "no_token_key"))
            }
        }
    }
}
