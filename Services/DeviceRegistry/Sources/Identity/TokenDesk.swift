import AccessTokens
import Crypto
import Domain
import JSON
import PostgresClient

/// Issues access tokens, and knows its own again.
struct TokenDesk: Sendable {
    /// Seconds that a token holds when nothing else is asked.
    static let usual: Int64 = 3_600

    let settings: TokenSettings
    let now: @Sendable () -> Timestamp

    private var seconds: Int64 { now().microseconds / 1_000_000 }

    /// A token for a device, which has just shown its credential. It allows what is the device's own, and has no scopes.
    func issue(to admission: MQTTAdmission, lasting wanted: Int64) throws -> IssuedToken {
        // Tied to the credential: when that is revoked the broker takes the token no more.
        let prefix = admission.credential.map { "\($0)." } ?? ""
        return try issue("device:\(admission.device)", [], lasting: wanted, until: admission.expires, prefix)
    }

    /// A token for a person or a program.
    /// - Parameter end: when the token ends that this one is asked with; it never outlives it.
    func issue(_ draft: TokenDraft, until end: Int64?, _ database: RegistryDatabase, by author: Author) async throws -> IssuedToken {
        let token = try issue(draft.subject, draft.scopes, lasting: draft.seconds, until: end, "")
        try await database.change(author) { connection in try connection.tellToken(token.claims, by: author) }
        return token
    }

    private func issue(
        _ subject: String, _ scopes: Set<Scope>, lasting wanted: Int64, until end: Int64?, _ prefix: String
    ) throws -> IssuedToken {
        let now = seconds
        let expires = min(now + min(wanted, settings.longest), end ?? .max)
        let claims = AccessClaims(
            issuer: settings.issuer, subject: subject, audience: [settings.audience], expires: expires, notBefore: now, issuedAt: now,
            id: prefix + Hexadecimal.encode(try SecureRandom.bytes(12)), scopes: scopes)
        return IssuedToken(text: try settings.signer.sign(claims), claims: claims, seconds: max(0, expires - now))
    }

    /// The claims of a token that holds.
    func verify(_ token: String) throws(TokenRefusal) -> AccessClaims {
        try TokenVerifier(keys: settings.keys, issuer: settings.issuer, audience: settings.audience).verify(token, now: seconds)
    }

    /// Whether a password looks like a token at all: three parts with dots between.
    static func isToken(_ password: String) -> Bool { password.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

    /// The credential that a device's token was asked with.
    static func credential(of claims: AccessClaims) -> CredentialID? {
        guard let id = claims.id, let dot = id.firstIndex(of: ".") else { return nil }
        return CredentialID(id[..<dot])
    }
}

/// A token that was just made.
struct IssuedToken: Sendable {
    let text: String
    let claims: AccessClaims
    /// For so long it holds.
    let seconds: Int64

    /// As RFC 6749, section 5.1, has it.
    var json: JSONValue {
        .object([
            "access_token": .string(text), "token_type": .string("Bearer"), "expires_in": .int(seconds), "subject": .string(claims.subject),
            "scope": .string(claims.scopes.map(\.description).sorted().joined(separator: " ")), "id": claims.id.map { .string($0) },
        ])
    }
}

/// What is asked for in somebody's name.
struct TokenDraft: Sendable, Hashable {
    static let longest: Int64 = 31 * 86_400

    let subject: String
    let scopes: Set<Scope>
    let seconds: Int64

    init(_ value: JSONValue) throws(FieldFault) {
        let reader = try ObjectReader(value, known: ["subject", "scope", "seconds"])
        subject = try Self.subject(reader)
        seconds = try reader.integer("seconds", in: 1...Self.longest) ?? TokenDesk.usual
        let words = (try reader.text("scope", maximumBytes: 4_096) ?? "").split(separator: " ")
        guard words.count <= 64 else { throw FieldFault(.tooMany, "scope", "holds \(words.count) scopes, at most 64 are allowed") }
        var scopes: Set<Scope> = []
        for word in words {
            guard let scope = Scope(word) else {
                throw FieldFault(.invalidValue, "scope", "holds '\(word.prefix(64))', which is no scope such as devices:read")
            }
            scopes.insert(scope)
        }
        self.scopes = scopes
    }

    private static func subject(_ reader: ObjectReader) throws(FieldFault) -> String {
        _ = try reader.required("subject")
        guard let text = try reader.text("subject", maximumBytes: 128) else { throw FieldFault(.missingMember, "subject", "is missing") }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), text.hasPrefix("client:") || text.hasPrefix("person:"),
            text.utf8.count > 7
        else {
            throw FieldFault(
                .invalidValue, "subject",
                "must be client:NAME or person:NAME without spaces; a device gets a token of its own by POST /v1/devices/{id}/tokens")
        }
        return text
    }
}

extension PostgresConnection {
    /// A token changes no row, so the audit row is written by hand. It does not hold the token.
    fileprivate func tellToken(_ claims: AccessClaims, by author: Author) throws {
        let told = JSONValue.object([
            "subject": .string(claims.subject), "scope": .string(claims.scopes.map(\.description).sorted().joined(separator: " ")),
            "expires": .int(claims.expires),
        ])
        try query(
            """
            INSERT INTO registry.audit (actor, action, kind, key, after, request_id)
            VALUES ($1, $2, 'token', $3, $4::text::jsonb, $5)
            """,
            [
                .text(author.actor), .text(author.action), .text(claims.id ?? ""), .text(told.text), PostgresValue(author.requestID),
            ])
    }
}
