import AccessTokens
import Crypto
import HTTPServer

@testable import HTTPKit

/// Keys of the issuer, and one of a stranger.
struct MatrixKeys {
    let right: TokenSigner
    /// The issuer's other key, for another algorithm.
    let second: TokenSigner
    let stranger: TokenSigner
    let strangersKey: PrivateKey
    let set: KeySet

    init() throws {
        strangersKey = try PrivateKey(.ed25519)
        right = try TokenSigner(PrivateKey(.ed25519))
        second = try TokenSigner(PrivateKey(.p256))
        stranger = try TokenSigner(strangersKey)
        set = try KeySet([right.key, second.key])
    }
}

/// Somebody who calls a route.
struct Role {
    let name: String
    let headers: [(name: String, value: String)]
    /// What a service answers when it does not let them through.
    var status = 401
    /// Behind the path.
    var query = ""

    init(_ name: String, headers: [(name: String, value: String)], status: Int = 401, query: String = "") {
        (self.name, self.headers, self.status, self.query) = (name, headers, status, query)
    }

    init(_ name: String, _ field: String) { self.init(name, headers: [("Authorization", field)]) }

    init(_ name: String, token: String, status: Int = 401, query: String = "") {
        self.init(name, headers: [("Authorization", "Bearer \(token)")], status: status, query: query)
    }

    static func claims(_ scopes: Set<Scope>, subject: String = "client:test") -> AccessClaims {
        AccessClaims(
            issuer: "martlet", subject: subject, audience: ["martlet"], expires: GuardedService.now + 60,
            notBefore: GuardedService.now - 60, scopes: scopes)
    }

    static func allowed(for route: Route, _ keys: MatrixKeys) throws -> [Role] {
        guard let scope = route.access.scope else { return [Role("nobody", headers: []), Role("garbage", token: "garbage")] }
        var roles = [
            Role("holder of the scope", token: try keys.right.sign(claims([scope]))),
            Role("holder of the scope by the other key", token: try keys.second.sign(claims([scope]))),
            Role("holder of every scope", token: try keys.right.sign(claims(Set(Scope.known)))),
            Role("lower-case scheme", "bearer \(try keys.right.sign(claims([scope])))"),
        ]
        if case .scopeOrDevice = route.access {
            roles.append(Role("the device itself", token: try keys.right.sign(claims([], subject: "device:mine"))))
        }
        return roles
    }

    static func denied(for route: Route, _ keys: MatrixKeys) throws -> [Role] {
        guard let scope = route.access.scope else { return [] }
        return try withoutToken(keys, scope) + beforeAllElse(keys) + invalid(keys, scope) + forged(keys, scope)
            + insufficient(keys, scope, route.access)
    }

    private static func withoutToken(_ keys: MatrixKeys, _ scope: Scope) throws -> [Role] {
        let token = try keys.right.sign(claims([scope]))
        return [
            Role("nobody", headers: []), Role("empty field", ""), Role("scheme alone", "Bearer"), Role("scheme and space", "Bearer "),
            Role("password", "Basic YWRtaW46YWRtaW4="), Role("token without scheme", token), Role("token as a password", "Basic \(token)"),
            Role("two tokens in one field", "Bearer \(token) \(token)"),
            Role("two fields", headers: [("Authorization", "Bearer \(token)"), ("authorization", "Bearer x")]),
            Role("two equal fields", headers: [("Authorization", "Bearer \(token)"), ("Authorization", "Bearer \(token)")]),
            Role("cookie", headers: [("Cookie", "access_token=\(token)")]),
            Role("token in the query", headers: [], query: "?access_token=\(token)"),
            Role("proxy's field", headers: [("X-Forwarded-User", "admin"), ("Proxy-Authorization", "Bearer \(token)")]),
        ]
    }

    /// Neither a parameter nor the body is looked at before it is known who asks.
    private static func beforeAllElse(_ keys: MatrixKeys) throws -> [Role] {
        [
            Role("nobody with an unknown parameter", headers: [], query: "?nonsense=1"),
            Role("holder of no scope with an unknown parameter", token: try keys.right.sign(claims([])), status: 403, query: "?nonsense=1"),
            Role("nobody who announces a body", headers: [("Content-Length", "60000"), ("Content-Type", "text/csv")]),
            Role("nobody who waits for leave", headers: [("Content-Length", "60000"), ("Expect", "100-continue")]),
            Role("nobody with a body without end", headers: [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]),
        ]
    }

    private static func invalid(_ keys: MatrixKeys, _ scope: Scope) throws -> [Role] {
        let now = GuardedService.now
        let changes: [(String, (inout AccessClaims) -> Void)] = [
            ("expired", { $0.expires = now - 30 }), ("long expired", { $0.expires = 1 }), ("not yet valid", { $0.notBefore = now + 31 }),
            ("issued in the future", { $0.issuedAt = now + 3_600 }), ("of another issuer", { $0.issuer = "martlet.example" }),
            ("for another audience", { $0.audience = ["other"] }),
        ]
        return try changes.map { name, change in
            var claims = claims([scope])
            change(&claims)
            return Role(name, token: try keys.right.sign(claims))
        }
    }

    private static func forged(_ keys: MatrixKeys, _ scope: Scope) throws -> [Role] {
        let token = try keys.right.sign(claims([scope]))
        let parts = token.split(separator: ".").map(String.init)
        let none = Base64URL.encode("{\"alg\":\"none\",\"kid\":\"\(keys.right.key.id)\"}".utf8)
        let other = try keys.right.sign(claims(Set(Scope.known), subject: "client:admin")).split(separator: ".")
        let ofStranger = try TokenSigner(keys.strangersKey, id: keys.right.key.id)
        return [
            Role("garbage", token: "garbage"), Role("unsigned", token: "\(none).\(parts[1])."),
            Role("unsigned with a signature", token: "\(none).\(parts[1]).\(parts[2])"),
            Role("of a stranger", token: try keys.stranger.sign(claims([scope]))),
            Role("of a stranger in another's name", token: try ofStranger.sign(claims([scope]))),
            Role("with another payload", token: "\(parts[0]).\(other[1]).\(parts[2])"), Role("cut short", token: String(token.dropLast())),
            Role("without signature", token: "\(parts[0]).\(parts[1])"),
            Role("too long", token: token + String(repeating: "A", count: 8_192)),
        ] + (try confused(keys, payload: parts[1]))
    }

    /// A public key is no secret: whoever takes it for one lets everybody sign (RFC 8725, section 2.1).
    private static func confused(_ keys: MatrixKeys, payload: String) throws -> [Role] {
        try [keys.right.key, keys.second.key].flatMap { key in
            let content = Base64URL.encode("{\"alg\":\"HS256\",\"kid\":\"\(key.id)\"}".utf8) + "." + payload
            let secrets: [(String, [UInt8])] = [
                ("public key", try key.key.raw()), ("public key in PEM", try key.key.pem()), ("key set", try keys.set.json()),
            ]
            return secrets.map { name, secret in
                let code = HMACSHA256.code(for: Array(content.utf8), key: SymmetricKey(secret))
                return Role("\(name) as secret, \(key.key.algorithm)", token: "\(content).\(Base64URL.encode(code))")
            }
        }
    }

    private static func insufficient(_ keys: MatrixKeys, _ scope: Scope, _ access: Access) throws -> [Role] {
        let others = Set(Scope.known).subtracting([scope])
        var roles = try others.sorted { $0.description < $1.description }.map { other in
            Role("holder of \(other) only", token: try keys.right.sign(claims([other])), status: 403)
        }
        roles += [
            Role("holder of no scope", token: try keys.right.sign(claims([])), status: 403),
            Role("holder of all other scopes", token: try keys.right.sign(claims(others)), status: 403),
            Role("another device", token: try keys.right.sign(claims([], subject: "device:other")), status: 403),
            Role("another device with the scope", token: try keys.right.sign(claims([scope], subject: "device:other")), status: 403),
            Role("a device without a name", token: try keys.right.sign(claims([scope], subject: "device:")), status: 403),
        ]
        if case .scope = access {
            roles.append(Role("the device itself", token: try keys.right.sign(claims([scope], subject: "device:mine")), status: 403))
        }
        return roles
    }
}
