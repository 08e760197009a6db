import Crypto

@testable import AccessTokens

/// Makes tokens as no signer would: any header, any payload, any signature.
struct TokenForge {
    static let now: Int64 = 1_767_225_600

    let ed25519: PrivateKey
    let p256: PrivateKey
    let verifier: TokenVerifier
    /// Names of the keys in the verifier's set.
    let edID: String
    let ecID: String

    init() throws {
        ed25519 = try PrivateKey(.ed25519)
        p256 = try PrivateKey(.p256)
        let keys = [try TokenKey(ed25519.publicKey()), try TokenKey(p256.publicKey(), id: "second.key_2")]
        (edID, ecID) = (keys[0].id, keys[1].id)
        verifier = TokenVerifier(keys: try KeySet(keys), issuer: "martlet", audience: "api")
    }

    static let claims = AccessClaims(
        issuer: "martlet", subject: "client:test", audience: ["api"], expires: now + 300, notBefore: now, issuedAt: now, id: "1",
        scopes: [.devicesRead, .telemetryRead])

    var header: String { "{\"alg\":\"EdDSA\",\"kid\":\"\(edID)\",\"typ\":\"JWT\"}" }

    static let payload = Self.claims.json

    /// Signed with `key`, nil is the right one.
    func token(header: String? = nil, payload: String = payload, key: PrivateKey? = nil) throws -> String {
        let content = Base64URL.encode((header ?? self.header).utf8) + "." + Base64URL.encode(payload.utf8)
        return content + "." + Base64URL.encode(try (key ?? ed25519).sign(Array(content.utf8)))
    }

    /// The payload with a claim replaced by JSON text, or left out.
    static func payload(_ name: String, _ value: String?) -> String {
        let fields = [
            ("iss", "\"martlet\""), ("sub", "\"client:test\""), ("aud", "\"api\""), ("exp", "\(now + 300)"), ("nbf", "\(now)"),
            ("iat", "\(now)"), ("jti", "\"1\""), ("scope", "\"devices:read\""),
        ]
        let changed = fields.compactMap { field in field.0 == name ? value.map { (name, $0) } : field }
        return "{" + changed.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    func refusal(_ token: String, now: Int64 = now) -> TokenRefusal.Reason? {
        do {
            _ = try verifier.verify(token, now: now)
            return nil
        } catch {
            return error.reason
        }
    }
}
