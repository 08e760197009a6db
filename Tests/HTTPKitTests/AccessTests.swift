import AccessTokens
import Crypto
import Domain
import Foundation
import HTTPServer
import Logging
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import HTTPKit

/// A router with keys of its own in a file, and a clock that is moved by hand.
final class GuardedRouter: Sendable {
    static let start: Int64 = 1_767_225_600

    let log = LogRecord()
    let metrics = MetricsRegistry()
    let signer: TokenSigner
    let keySet: URL
    let router: Router

    static let device = Parameter.string("id", in: .path, help: "Device.")

    static let routes: RouteCollection = [
        .immediate(.get, "/open", summary: "Open", access: .open, responses: [], answer: { .text($0.principal.name) }),
        .immediate(.get, "/now", summary: "At once", access: .scope(.devicesRead), responses: [], answer: { .text($0.principal.name) }),
        Route(.get, "/v1/devices", summary: "Reads", access: .scope(.devicesRead), responses: []) { .text($0.principal.name) },
        Route(.put, "/v1/devices", summary: "Asks for more", access: .scope(.devicesRead), responses: []) {
            try $0.require(.credentialsWrite)
            return .text($0.principal.name)
        },
        Route(.post, "/v1/devices", summary: "Writes", access: .scope(.devicesWrite), responses: []) { .text($0.principal.name) },
        Route(
            .get, "/v1/devices/{id}/ledger", summary: "One's own", access: .scopeOrDevice(.devicesRead, parameter: "id"),
            parameters: [device], responses: []
        ) { .text($0.principal.name) },
    ]

    init(_ folder: URL) throws {
        signer = try TokenSigner(PrivateKey(.ed25519))
        keySet = folder.appendingPathComponent("jwks.json")
        try Data(try KeySet([signer.key]).json()).write(to: keySet)
        let logger = Logger(label: "test", level: .debug, sink: .recording(into: log))
        let clock = Clock()
        router = try Router(
            Self.routes,
            access: try .verifying(
                keySet: keySet.path, issuer: "martlet", audience: "martlet",
                now: { Timestamp(microseconds: clock.seconds.load(ordering: .relaxed) * 1_000_000) }, logger: logger, metrics: metrics),
            logger: logger, metrics: metrics)
        self.clock = clock
    }

    final class Clock: Sendable { let seconds = Atomic<Int64>(GuardedRouter.start) }

    let clock: Clock

    func pass(seconds: Int64) { clock.seconds.add(seconds, ordering: .relaxed) }

    func token(_ subject: String = "client:test", _ scopes: Set<Scope> = [.devicesRead], signer: TokenSigner? = nil) throws -> String {
        let now = clock.seconds.load(ordering: .relaxed)
        return try (signer ?? self.signer).sign(
            AccessClaims(issuer: "martlet", subject: subject, audience: ["martlet"], expires: now + 60, scopes: scopes))
    }

    func call(_ method: HTTPMethod, _ path: String, _ headers: HTTPHeaders = [:]) async throws -> (HTTPResponse, String) {
        let request = try HTTPRequest(method, path, headers: headers)
        let response: HTTPResponse
        if let immediate = router.respondImmediately(to: request) {
            response = immediate
        } else {
            response = await router.respond(to: request)
        }
        return (response, String(decoding: try await response.collectBody(), as: UTF8.self))
    }

    func status(_ method: HTTPMethod, _ path: String, token: String) async throws -> Int {
        try await call(method, path, ["Authorization": "Bearer \(token)"]).0.status
    }

    func refused(_ reason: String) -> Int {
        var bytes: [UInt8] = []
        metrics.renderPrometheus(into: &bytes)
        let start = "iot_http_denied_total{reason=\"\(reason)\"} "
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(start) }
        return line.flatMap { Int($0.dropFirst(start.count)) } ?? -1
    }
}

@Suite struct AccessTests {
    private func withRouter(_ body: (GuardedRouter) async throws -> Void) async throws {
        try await withTemporaryFolder { try await body(try GuardedRouter($0)) }
    }

    @Test func openRoutesAskForNothing() async throws {
        try await withRouter { guarded in
            let (response, text) = try await guarded.call(.get, "/open")
            #expect(response.status == 200)
            #expect(text == "anonymous")
            #expect(try await guarded.status(.get, "/open", token: "nonsense") == 200)
        }
    }

    @Test(arguments: ["/v1/devices", "/now"])
    func withoutATokenTheChallengeNamesNoError(path: String) async throws {
        try await withRouter { guarded in
            let (response, text) = try await guarded.call(.get, path)
            #expect(response.status == 401)
            #expect(response.headers["WWW-Authenticate"] == "Bearer realm=\"martlet\"")
            #expect(text.contains("\"code\":\"unauthorized\""))
            #expect(guarded.refused("no_token") == 1)
            #expect(guarded.refused("expired") == 0)
        }
    }

    @Test(arguments: [
        "", "Bearer", "Bearer ", "Bearer  x", "Basic dXNlcjpwYXNz", "Bearer a b", "Token x", "Bearer\tx", " Bearer x", "Negotiate",
    ])
    func otherCredentialsAreRefused(field: String) async throws {
        try await withRouter { guarded in
            let (response, _) = try await guarded.call(.get, "/v1/devices", ["Authorization": field])
            #expect(response.status == 401)
            #expect(response.headers["WWW-Authenticate"]?.contains("error=\"invalid_token\"") == true)
        }
    }

    @Test func twoCredentialsAreRefused() async throws {
        try await withRouter { guarded in
            let token = try guarded.token()
            let headers: HTTPHeaders = ["Authorization": "Bearer \(token)", "authorization": "Bearer \(token)"]
            #expect(try await guarded.call(.get, "/v1/devices", headers).0.status == 401)
            #expect(guarded.refused("malformed_header") == 1)
        }
    }

    @Test func aTokenWithTheScopeOpensItsRoutesAndNoOthers() async throws {
        try await withRouter { guarded in
            let token = try guarded.token("client:reader")
            for path in ["/v1/devices", "/now", "/v1/devices/a/ledger"] {
                let (response, text) = try await guarded.call(.get, path, ["Authorization": "bearer \(token)"])
                #expect(response.status == 200)
                #expect(text == "client:reader")
            }
            #expect(try await guarded.status(.head, "/v1/devices", token: token) == 200)
            let (response, text) = try await guarded.call(.post, "/v1/devices", ["Authorization": "Bearer \(token)"])
            #expect(response.status == 403)
            #expect(
                response.headers["WWW-Authenticate"] == "Bearer realm=\"martlet\", error=\"insufficient_scope\", scope=\"devices:write\"")
            #expect(text.contains("\"field\":\"devices:write\""))
            #expect(guarded.refused("insufficient_scope") == 1)
            #expect(guarded.log.lines.contains { $0.contains("request refused") && $0.contains("client:reader") })
            #expect(!guarded.log.lines.contains { $0.contains(token) }, "a token must not reach the log")
        }
    }

    /// What a request asks beyond its route is refused, counted and logged as a route is.
    @Test func moreThanTheRouteWantsIsGuardedToo() async throws {
        try await withRouter { guarded in
            let token = try guarded.token()
            let (response, _) = try await guarded.call(.put, "/v1/devices", ["Authorization": "Bearer \(token)"])
            #expect(response.status == 403)
            #expect(guarded.refused("insufficient_scope") == 1)
            #expect(guarded.log.lines.contains { $0.contains("request refused") && $0.contains("client:test") })
            let more = try guarded.token("client:test", [.devicesRead, .credentialsWrite])
            #expect(try await guarded.status(.put, "/v1/devices", token: more) == 200)
            #expect(guarded.refused("insufficient_scope") == 1)
        }
    }

    @Test func accessIsLookedAtBeforeParameters() async throws {
        try await withRouter { guarded in
            #expect(try await guarded.call(.get, "/v1/devices?nonsense=1").0.status == 401)
            let token = try guarded.token()
            #expect(try await guarded.call(.get, "/v1/devices?access_token=\(token)").0.status == 401)
        }
    }

    @Test func devicesReachOnlyWhatIsTheirs() async throws {
        try await withRouter { guarded in
            let token = try guarded.token("device:pump-7", [.devicesRead, .devicesWrite])
            #expect(try await guarded.status(.get, "/v1/devices/pump-7/ledger", token: token) == 200)
            #expect(try await guarded.status(.get, "/v1/devices/pump%2D7/ledger", token: token) == 200)
            for path in ["/v1/devices/pump-8/ledger", "/v1/devices/PUMP-7/ledger", "/v1/devices", "/now"] {
                #expect(try await guarded.status(.get, path, token: token) == 403, "\(path)")
            }
            #expect(try await guarded.status(.post, "/v1/devices", token: token) == 403)
        }
    }

    /// A cached token is one whose signature was right, nothing more.
    @Test func cachedTokensExpire() async throws {
        try await withRouter { guarded in
            let token = try guarded.token()
            #expect(try await guarded.status(.get, "/v1/devices", token: token) == 200)
            guarded.pass(seconds: 89)
            #expect(try await guarded.status(.get, "/v1/devices", token: token) == 200, "within the leeway")
            guarded.pass(seconds: 1)
            #expect(try await guarded.status(.get, "/v1/devices", token: token) == 401)
            #expect(guarded.refused("expired") == 1)
        }
    }

    @Test func changedKeysAreReadAndOldOnesForgotten() async throws {
        try await withRouter { guarded in
            let token = try guarded.token()
            #expect(try await guarded.status(.get, "/v1/devices", token: token) == 200)
            let next = try TokenSigner(PrivateKey(.p256))
            try Data(try KeySet([next.key]).json()).write(to: guarded.keySet, options: .atomic)
            guarded.pass(seconds: 1)
            #expect(try await guarded.status(.get, "/v1/devices", token: token) == 401, "its key is gone, cached or not")
            #expect(try await guarded.status(.get, "/v1/devices", token: try guarded.token(signer: next)) == 200)
            // What cannot be read changes nothing.
            try Data("{".utf8).write(to: guarded.keySet, options: .atomic)
            guarded.pass(seconds: 1)
            #expect(try await guarded.status(.get, "/v1/devices", token: try guarded.token(signer: next)) == 200)
            #expect(guarded.log.lines.contains { $0.contains("cannot be read") })
            try FileManager.default.removeItem(at: guarded.keySet)
            guarded.pass(seconds: 1)
            #expect(try await guarded.status(.get, "/v1/devices", token: try guarded.token(signer: next)) == 200)
        }
    }

    @Test func keysThatCannotBeReadStopTheStart() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("jwks.json").path
            let logger = Logger(label: "test", sink: .recording(into: LogRecord()))
            for content in [nil, "", "{}", "{\"keys\":[]}"] {
                if let content { try Data(content.utf8).write(to: URL(fileURLWithPath: path)) }
                #expect(throws: KeySetError.self) {
                    try AccessControl.verifying(
                        keySet: path, issuer: "a", audience: "b", now: { Timestamp(microseconds: 0) }, logger: logger)
                }
            }
        }
    }

    @Test func theCacheIsBounded() {
        let cache = TokenCache()
        let claims = AccessClaims(issuer: "a", subject: "b", audience: ["c"], expires: 1, scopes: [])
        for number in 0..<10_000 { cache.add(claims, of: "token \(number)", generation: 0) }
        #expect(cache.count <= TokenCache.capacity)
        #expect(cache.claims(of: "token 9999", generation: 0) == claims)
        #expect(cache.claims(of: "token 0", generation: 0) == nil)
        #expect(cache.claims(of: "token 9999", generation: 1) == nil)
    }

    @Test func aDeviceRouteNeedsItsParameter() {
        let route = Route(.get, "/v1/x", summary: "X", access: .scopeOrDevice(.devicesRead, parameter: "id"), responses: []) { _ in
            .text("")
        }
        #expect(throws: RouterError.self) {
            try Router([route], access: .off(logger: Logger(label: "test")), logger: Logger(label: "test"))
        }
    }

    @Test func theDocumentTellsWhatIsNeeded() {
        let document = OpenAPIDocument(title: "t", version: "1", summary: "s", routes: GuardedRouter.routes)
        let text = String(decoding: document.render(), as: UTF8.self).filter { !$0.isWhitespace }
        #expect(text.contains("\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}}"))
        #expect(text.contains("\"security\":[{\"token\":[\"devices:write\"]}]"))
        #expect(text.contains("\"security\":[]"))
        #expect(text.contains("insufficient_scope"))
        #expect(GuardedRouter.routes.markdown.contains("| `GET /v1/devices` | Reads | `devices:read` |"))
        #expect(GuardedRouter.routes.markdown.contains("| `GET /open` | Open | open |"))
    }
}
