import AccessTokens
import Crypto
import Domain
import Foundation
import HTTPKit
import HTTPServer
import Logging
import TestSupport
import Testing

@testable import DeviceRegistry

/// What the audit log says of who did it, with access control on.
@Suite("Who has changed it")
struct AuditActorTests {
    private struct Change {
        /// As the route is declared.
        let route: String
        /// `{credential}` is the one that there is.
        let target: String
        var body: String?
        var type: String?
    }

    /// One request for each route that changes something, in an order in which all do.
    private static let changes = [
        Change(route: "PUT /v1/types/{name}", target: "/v1/types/pump", body: #"{"heartbeat_seconds":60}"#),
        Change(route: "PATCH /v1/types/{name}", target: "/v1/types/pump", body: #"{"heartbeat_seconds":90}"#),
        Change(route: "DELETE /v1/types/{name}", target: "/v1/types/pump"),
        Change(route: "POST /v1/devices", target: "/v1/devices", body: #"{"id":"d","type":"sensor"}"#),
        Change(route: "PUT /v1/devices/{id}", target: "/v1/devices/d", body: #"{"type":"sensor","name":"a"}"#),
        Change(route: "PATCH /v1/devices/{id}", target: "/v1/devices/d", body: #"{"name":"b"}"#),
        Change(route: "PATCH /v1/devices/{id}/facts", target: "/v1/devices/d/facts", body: #"{"uptime":1}"#),
        Change(route: "POST /v1/devices/{id}:activate", target: "/v1/devices/d:activate"),
        Change(route: "POST /v1/devices/{id}:start-maintenance", target: "/v1/devices/d:start-maintenance"),
        Change(route: "POST /v1/devices/{id}:end-maintenance", target: "/v1/devices/d:end-maintenance"),
        Change(route: "POST /v1/devices/{id}/credentials", target: "/v1/devices/d/credentials", body: "{}"),
        Change(
            route: "POST /v1/devices/{id}/credentials/{credential}:revoke", target: "/v1/devices/d/credentials/{credential}:revoke"),
        Change(route: "POST /v1/claims", target: "/v1/claims", body: #"{"device":"new","template":{"type":"sensor"}}"#),
        Change(route: "POST /v1/claims/{claim}:revoke", target: "/v1/claims/{claim}:revoke"),
        Change(
            route: "POST /v1/enrolments", target: "/v1/enrolments",
            body: #"{"pattern":"x-*","quota":1,"template":{"type":"sensor"}}"#),
        Change(route: "POST /v1/enrolments/{enrolment}:revoke", target: "/v1/enrolments/{enrolment}:revoke"),
        Change(route: "POST /v1/tokens", target: "/v1/tokens", body: #"{"subject":"client:x"}"#),
        Change(route: "POST /v1/devices/{id}:suspend", target: "/v1/devices/d:suspend"),
        Change(route: "PUT /v1/groups/{name}", target: "/v1/groups/g", body: "{}"),
        Change(route: "POST /v1/groups/{name}/members", target: "/v1/groups/g/members", body: #"{"add":["d"]}"#),
        Change(route: "DELETE /v1/groups/{name}", target: "/v1/groups/g"),
        Change(route: "POST /v1/devices/{id}:retire", target: "/v1/devices/d:retire"),
        Change(route: "DELETE /v1/devices/{id}", target: "/v1/devices/d"),
        Change(route: "POST /v1/devices/{id}:purge", target: "/v1/devices/d:purge"),
        Change(route: "POST /v1/devices:import", target: "/v1/devices:import", body: "id,type\ne,sensor\nf,sensor\n", type: "text/csv"),
    ]

    /// Routes that change nothing a person has to answer for, though their method is not GET.
    /// What provisioning changes is told in the claim's or the enrolment's name.
    private static let questions: Set<String> = [
        "POST /v1/mqtt/auth", "POST /v1/mqtt/acl", "POST /v1/provision", "POST /v1/devices/{id}/tokens",
    ]

    private func target(_ change: Change, _ id: (String) throws -> String) rethrows -> String {
        try ["credential", "claim", "enrolment"].reduce(change.target) { target, kind in
            target.contains("{\(kind)}") ? target.replacing("{\(kind)}", with: try id(kind)) : target
        }
    }

    private func withTokens(_ body: (RegistryFixture, TokenSigner) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let signer = try TokenSigner(PrivateKey(.ed25519))
            let file = folder.appendingPathComponent("jwks.json")
            try Data(try KeySet([signer.key]).json()).write(to: file)
            let access = try AccessControl.verifying(
                keySet: file.path, issuer: "martlet", audience: "martlet", now: { ServiceClock.now() },
                logger: Logger(label: "test", level: .critical))
            var settings = IdentitySettings.test
            settings.tokens = TokenSettings(signer: signer, keys: try KeySet([signer.key]))
            try await RegistryFixture.with(settings: settings, access: access) { try await body($0, signer) }
        }
    }

    private func bearer(_ signer: TokenSigner, _ subject: String, _ scopes: Set<Scope>) throws -> HTTPHeaders {
        let now = ServiceClock.now().microseconds / 1_000_000
        let claims = AccessClaims(issuer: "martlet", subject: subject, audience: ["martlet"], expires: now + 600, scopes: scopes)
        return ["Authorization": "Bearer \(try signer.sign(claims))"]
    }

    @Test("every route that changes something names the caller's subject")
    func everyRoute() async throws {
        try await withTokens { registry, signer in
            let declared = Set(registry.router.routes.routes.filter { $0.method != .get }.map { "\($0.method) \($0.path)" })
            #expect(
                declared == Set(Self.changes.map(\.route)).union(Self.questions),
                "give a new route an example in `changes`, or name it in `questions`")
            for (number, change) in Self.changes.enumerated() {
                // Each by another caller, so that no row can be another's.
                let subject = "client:caller-\(number)"
                var headers = try bearer(signer, subject, Set(Scope.known))
                headers["Content-Type"] = change.type
                let words = change.route.split(separator: " ")
                let target = try target(change) { try registry.rows("SELECT id FROM registry.\($0)s").first ?? "" }
                let answer = try await registry.ask(HTTPMethod(rawValue: String(words[0])), target, change.body, headers)
                #expect((200...299).contains(answer.status), "\(change.route): \(answer.body)")
                #expect(
                    try registry.rows("SELECT DISTINCT request_id FROM registry.audit WHERE actor = '\(subject)'") == ["test"],
                    "\(change.route) left no audit row of its caller")
            }
            #expect(
                try registry.rows("SELECT count(*) FROM registry.audit WHERE actor NOT LIKE 'client:caller-%' AND actor <> 'registry'")
                    == ["0"])
            #expect(try registry.rows("SELECT actor FROM registry.imports") == ["client:caller-\(Self.changes.count - 1)"])
        }
    }

    @Test("an import names its caller for what it makes and for what it changes")
    func imports() async throws {
        try await withTokens { registry, signer in
            var headers = try bearer(signer, "client:importer", [.devicesAdmin])
            headers["Content-Type"] = "text/csv"
            let first = try await registry.ask(.post, "/v1/devices:import", "id,type,name\na,sensor,one\nb,sensor,two\n", headers)
            #expect(first.status == 200)
            let second = try await registry.ask(.post, "/v1/devices:import", "id,type,name\na,sensor,other\nc,sensor,three\n", headers)
            #expect(second.status == 200)
            #expect(
                try registry.rows("SELECT actor, action, kind FROM registry.audit WHERE actor <> 'registry' ORDER BY id") == [
                    "client:importer|import|import", "client:importer|import|device", "client:importer|import|device",
                    "client:importer|import|import", "client:importer|import|device", "client:importer|import|device",
                ])
            #expect(
                try registry.rows("SELECT key FROM registry.audit WHERE actor <> 'registry' AND kind = 'device' ORDER BY id")
                    == ["a", "b", "c", "a"])
        }
    }

    @Test("secrets come with an import only to those who may issue them")
    func importedSecrets() async throws {
        try await withTokens { registry, signer in
            for (scopes, status) in [([Scope.devicesAdmin], 403), ([.credentialsWrite], 403), ([.devicesAdmin, .credentialsWrite], 200)] {
                var headers = try bearer(signer, "client:importer", Set(scopes))
                headers["Content-Type"] = "text/csv"
                let answer = try await registry.ask(.post, "/v1/devices:import?secrets=missing", "id,type\na,sensor\n", headers)
                #expect(answer.status == status)
                let made = try registry.rows("SELECT count(*) FROM registry.devices")
                #expect(made == [status == 200 ? "1" : "0"])
            }
        }
    }

    @Test("what is refused for want of a scope changes nothing and is not told as done")
    func refused() async throws {
        try await withTokens { registry, signer in
            let before = try registry.dump()
            for change in Self.changes {
                var headers = try bearer(signer, "client:reader", [.devicesRead, .auditRead])
                headers["Content-Type"] = change.type
                let method = HTTPMethod(rawValue: String(change.route.split(separator: " ")[0]))
                let target = target(change) { _ in String(repeating: "0", count: 16) }
                #expect(try await registry.ask(method, target, change.body, headers).code == "insufficient_scope", "\(change.route)")
                #expect(try await registry.ask(method, target, change.body).code == "unauthorized", "\(change.route)")
            }
            #expect(try registry.dump() == before)
        }
    }

    @Test("a device reports its own facts and nobody else's")
    func facts() async throws {
        try await withTokens { registry, signer in
            let admin = try bearer(signer, "client:admin", [.devicesWrite])
            for id in ["d", "e"] { try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#, admin) }
            let device = try bearer(signer, "device:d", [])
            #expect(try await registry.ask(.patch, "/v1/devices/d/facts", #"{"uptime":1}"#, device).status == 200)
            #expect(try await registry.ask(.patch, "/v1/devices/e/facts", #"{"uptime":1}"#, device).status == 403)
            #expect(try await registry.ask(.patch, "/v1/devices/d", #"{"name":"x"}"#, device).status == 403)
            #expect(
                try registry.rows("SELECT key FROM registry.audit WHERE actor = 'device:d'") == ["d"])
        }
    }
}
