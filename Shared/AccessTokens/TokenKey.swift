public import Crypto
internal import JSON

/// A key that tokens are verified with, and its name (RFC 7517).
public struct TokenKey: Sendable {
    /// 1…128 of `A-Za-z0-9._-`; a name, never a path or an address to fetch from.
    public let id: String
    public let key: PublicKey

    /// - Parameter id: nil takes the key's thumbprint.
    public init(_ key: PublicKey, id: String? = nil) throws(CryptoError) {
        let name = if let id { id } else { try Self.thumbprint(key) }
        guard Self.isKeyID(name) else { throw CryptoError("name a key", "“\(name)” is not 1…128 of A-Za-z0-9._-") }
        self.id = name
        self.key = key
    }

    static func isKeyID(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x2E
                    || $0 == 0x5F
            }
    }

    /// RFC 7638: SHA-256 of the required members in the order of their names.
    public static func thumbprint(_ key: PublicKey) throws(CryptoError) -> String {
        let members = try JSONValue.object(requiredMembers(key).sorted { $0.name < $1.name })
        return Base64URL.encode(SHA256.hash(members.bytes))
    }

    private static func requiredMembers(_ key: PublicKey) throws(CryptoError) -> [JSONValue.Member] {
        let raw = try key.raw()
        switch key.algorithm {
        case .ed25519:
            return members(["kty": "OKP", "crv": "Ed25519", "x": Base64URL.encode(raw)])
        case .p256:
            return members([
                "kty": "EC", "crv": "P-256", "x": Base64URL.encode(raw.prefix(32)), "y": Base64URL.encode(raw.suffix(32)),
            ])
        }
    }

    private static func members(_ pairs: KeyValuePairs<String, String>) -> [JSONValue.Member] {
        pairs.map { JSONValue.Member(name: $0, value: .string($1)) }
    }

    func json() throws(CryptoError) -> JSONValue {
        .object(
            try Self.requiredMembers(key) + Self.members(["kid": id, "alg": key.algorithm.joseName, "use": "sig"]))
    }
}

extension SigningAlgorithm {
    /// RFC 8037 and RFC 7518. With a key of the kind, no other name is ever accepted.
    public var joseName: String {
        switch self {
        case .ed25519: "EdDSA"
        case .p256: "ES256"
        }
    }
}
