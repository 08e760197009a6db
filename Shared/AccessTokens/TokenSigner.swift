public import Crypto
internal import JSON

/// Makes access tokens: JSON Web Tokens (RFC 7519) in compact form, signed with one key.
public struct TokenSigner: Sendable {
    public let key: TokenKey
    private let privateKey: PrivateKey
    /// The first part, the same for every token.
    private let header: String

    /// - Parameter id: nil takes the key's thumbprint.
    public init(_ privateKey: PrivateKey, id: String? = nil) throws(CryptoError) {
        self.privateKey = privateKey
        key = try TokenKey(try privateKey.publicKey(), id: id)
        let members: JSONValue = .object([
            "alg": .string(privateKey.algorithm.joseName), "kid": .string(key.id), "typ": .string("at+jwt"),
        ])
        header = Base64URL.encode(members.bytes)
    }

    public func sign(_ claims: AccessClaims) throws(CryptoError) -> String {
        let content = "\(header).\(Base64URL.encode(claims.json.utf8))"
        return "\(content).\(Base64URL.encode(try privateKey.sign(Array(content.utf8))))"
    }
}
