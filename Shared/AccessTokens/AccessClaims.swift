internal import JSON

/// What an access token says (RFC 7519, section 4.1, and `scope` of RFC 9068). Times are seconds since the Unix epoch.
public struct AccessClaims: Sendable, Hashable {
    public var issuer: String
    /// Who it speaks for: `client:importer`, `device:pump-7`.
    public var subject: String
    /// The services that it is for; at least one.
    public var audience: [String]
    /// It holds before this second.
    public var expires: Int64
    /// It holds from this second on.
    public var notBefore: Int64?
    public var issuedAt: Int64?
    /// Tells tokens of one issuer apart.
    public var id: String?
    public var scopes: Set<Scope>

    public init(
        issuer: String, subject: String, audience: [String], expires: Int64, notBefore: Int64? = nil, issuedAt: Int64? = nil,
        id: String? = nil, scopes: Set<Scope>
    ) {
        self.issuer = issuer
        self.subject = subject
        self.audience = audience
        self.expires = expires
        self.notBefore = notBefore
        self.issuedAt = issuedAt
        self.id = id
        self.scopes = scopes
    }

    /// Members in a fixed order, scopes sorted: equal claims give equal text.
    var json: String {
        JSONValue.object([
            "iss": .string(issuer), "sub": .string(subject),
            "aud": audience.count == 1 ? .string(audience[0]) : .array(audience.map { .string($0) }),
            "exp": .int(expires), "nbf": notBefore.map { .int($0) }, "iat": issuedAt.map { .int($0) }, "jti": id.map { .string($0) },
            "scope": .string(scopes.map(\.description).sorted().joined(separator: " ")),
        ]).text
    }
}

// MARK: reading

extension AccessClaims {
    private static let mostScopes = 64
    private static let mostAudiences = 16
    /// In bytes, of a text claim.
    private static let longestText = 256
    /// 9999-12-31: no sum with a leeway overflows.
    private static let times: ClosedRange<Int64> = 0...253_402_300_799

    /// The claims of a payload whose signature was verified. Members that are not known here are passed over (RFC 7519, section 4).
    init(json: JSONValue) throws(TokenRefusal) {
        guard json.objectValue != nil else { throw TokenRefusal(.malformed, "the payload is no object") }
        issuer = try Self.text("iss", json)
        subject = try Self.text("sub", json)
        audience = try Self.audience(json)
        guard let expires = try Self.time("exp", json) else { throw TokenRefusal(.malformed, "claim exp is missing") }
        self.expires = expires
        notBefore = try Self.time("nbf", json)
        issuedAt = try Self.time("iat", json)
        id = json["jti"] == nil ? nil : try Self.text("jti", json)
        scopes = try Self.scopes(json)
    }

    /// 1…256 printable ASCII characters without spaces: nothing that looks like another name, nothing that steers a terminal.
    private static func text(_ name: String, _ json: JSONValue) throws(TokenRefusal) -> String {
        guard let value = json[name]?.stringValue, isName(value) else {
            throw TokenRefusal(.malformed, "claim \(name) is missing or no name")
        }
        return value
    }

    private static func isName(_ text: String) -> Bool {
        (1...longestText).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    private static func audience(_ json: JSONValue) throws(TokenRefusal) -> [String] {
        let values = json["aud"]?.stringValue.map { [$0] } ?? json["aud"]?.arrayValue?.map { $0.stringValue ?? "" } ?? []
        guard (1...mostAudiences).contains(values.count), values.allSatisfy(isName) else {
            throw TokenRefusal(.malformed, "claim aud is missing or no list of names")
        }
        return values
    }

    /// Whole seconds. RFC 7519 allows fractions; nobody issues them, and rounding would be a decision.
    private static func time(_ name: String, _ json: JSONValue) throws(TokenRefusal) -> Int64? {
        guard let value = json[name] else { return nil }
        guard let seconds = value.intValue, times.contains(seconds) else { throw TokenRefusal(.malformed, "claim \(name) is no time") }
        return seconds
    }

    private static func scopes(_ json: JSONValue) throws(TokenRefusal) -> Set<Scope> {
        guard let value = json["scope"] else { return [] }
        guard let words = value.stringValue?.split(separator: " ", omittingEmptySubsequences: true), words.count <= mostScopes else {
            throw TokenRefusal(.malformed, "claim scope is no list of at most \(mostScopes) scopes")
        }
        var scopes: Set<Scope> = []
        for word in words {
            guard let scope = Scope(word) else { throw TokenRefusal(.malformed, "claim scope holds what is no scope") }
            scopes.insert(scope)
        }
        return scopes
    }
}
