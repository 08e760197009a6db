internal import Crypto
internal import JSON

/// Accepts access tokens of one issuer for one audience, by RFC 8725: the key decides on the algorithm, nothing of the token is
/// interpreted before its signature but the name of the key, and what is not understood is refused.
public struct TokenVerifier: Sendable {
    /// In bytes.
    public static let longestToken = 4_096
    /// Seconds by which clocks may differ, at most.
    public static let leeways: ClosedRange<Int64> = 0...120

    public var keys: KeySet
    public let issuer: String
    public let audience: String
    /// Seconds by which the issuer's clock may differ from ours.
    public let leeway: Int64

    public init(keys: KeySet, issuer: String, audience: String, leeway: Int64 = 30) {
        precondition(Self.leeways.contains(leeway), "a leeway of \(leeway) s is outside of \(Self.leeways)")
        self.keys = keys
        self.issuer = issuer
        self.audience = audience
        self.leeway = leeway
    }

    /// The claims of a token that is ours, for us, and holds now.
    /// - Parameter now: seconds since the Unix epoch.
    public func verify(_ token: String, now: Int64) throws(TokenRefusal) -> AccessClaims {
        guard token.utf8.count <= Self.longestToken else { throw TokenRefusal(.tooLong, "it has more than \(Self.longestToken) bytes") }
        let bytes = Array(token.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { throw TokenRefusal(.malformed, "it has not three parts") }
        let key = try key(header: parts[0])
        guard let signature = Base64URL.decode(parts[2]) else { throw TokenRefusal(.malformed, "its signature is not in base64url") }
        guard key.isValid(signature, for: bytes[..<parts[1].endIndex]) else {
            throw TokenRefusal(.wrongSignature, "its signature is not by the key that it names")
        }
        let claims = try AccessClaims(json: Self.json(parts[1], depth: 6))
        try check(claims, now: now)
        return claims
    }

    /// Whether claims that were verified once still hold.
    public func check(_ claims: AccessClaims, now: Int64) throws(TokenRefusal) {
        guard claims.issuer == issuer else { throw TokenRefusal(.wrongIssuer, "it was issued by another than \(issuer)") }
        guard claims.audience.contains(audience) else { throw TokenRefusal(.wrongAudience, "it is for others than \(audience)") }
        guard now < claims.expires + leeway else { throw TokenRefusal(.expired, "it has expired") }
        for start in [claims.notBefore, claims.issuedAt] {
            if let start, now < start - leeway { throw TokenRefusal(.notYetValid, "it does not hold yet") }
        }
    }

    /// The key that the header names, if that key is for the header's algorithm.
    private func key(header: ArraySlice<UInt8>) throws(TokenRefusal) -> PublicKey {
        let json = try Self.json(header, depth: 2)
        guard let members = json.objectValue else { throw TokenRefusal(.malformed, "its header is no object") }
        // jku, jwk, x5u and the like would bring a key along, crit and zip a meaning that is not known here (RFC 8725, section 3.10).
        if members.contains(where: { !["alg", "kid", "typ"].contains($0.name) }) {
            throw TokenRefusal(.malformed, "its header has other members than alg, kid and typ")
        }
        if let type = json["typ"] {
            guard let text = type.stringValue, ["JWT", "at+jwt"].contains(text) else {
                throw TokenRefusal(.malformed, "its type is neither JWT nor at+jwt")
            }
        }
        guard let id = json["kid"]?.stringValue, let key = keys[id] else {
            throw TokenRefusal(.unknownKey, "it names no key that is known")
        }
        guard json["alg"]?.stringValue == key.algorithm.joseName else {
            throw TokenRefusal(.wrongAlgorithm, "its algorithm is not the one that its key is for")
        }
        return key
    }

    private static func json(_ part: ArraySlice<UInt8>, depth: Int) throws(TokenRefusal) -> JSONValue {
        guard let bytes = Base64URL.decode(part) else { throw TokenRefusal(.malformed, "a part is not in base64url") }
        do {
            return try JSONReader.parse(bytes, maximumDepth: depth)
        } catch {
            throw TokenRefusal(.malformed, "a part is no JSON, is nested too deep, or has a member twice")
        }
    }
}
