public import Crypto
internal import JSON

/// Why a key set cannot be read.
public struct KeySetError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// The keys that tokens are verified with: a JSON Web Key Set (RFC 7517).
public struct KeySet: Sendable {
    /// In bytes of JSON.
    public static let longest = 65_536
    public static let mostKeys = 64

    private let keys: [String: PublicKey]
    private let order: [TokenKey]

    public init(_ keys: [TokenKey]) throws(KeySetError) {
        guard !keys.isEmpty, keys.count <= Self.mostKeys else {
            throw KeySetError(description: "the set holds \(keys.count) keys that are usable here; 1…\(Self.mostKeys) are wanted")
        }
        self.keys = Dictionary(keys.map { ($0.id, $0.key) }) { first, _ in first }
        order = keys
        guard self.keys.count == keys.count else { throw KeySetError(description: "two keys of the set have the same kid") }
    }

    /// Reads Ed25519 and P-256 keys. Keys of other kinds, for other uses or without a `kid` are passed over, as RFC 7517 wants it; a set
    /// that holds anything secret is refused, because it has then been shown to those who should only verify.
    public init(json bytes: [UInt8]) throws(KeySetError) {
        guard bytes.count <= Self.longest else { throw KeySetError(description: "it has more than \(Self.longest) bytes") }
        let document: JSONValue
        do {
            document = try JSONReader.parse(bytes, maximumDepth: 6)
        } catch {
            throw KeySetError(description: "it is no JSON: \(error)")
        }
        guard let entries = document["keys"]?.arrayValue else { throw KeySetError(description: "it has no member “keys” with a list") }
        guard entries.count <= Self.mostKeys else { throw KeySetError(description: "it has more than \(Self.mostKeys) keys") }
        var keys: [TokenKey] = []
        for (index, entry) in entries.enumerated() {
            do {
                if let key = try Self.key(entry) { keys.append(key) }
            } catch {
                throw KeySetError(description: "keys[\(index)]: \(error)")
            }
        }
        try self.init(keys)
    }

    public subscript(_ id: String) -> PublicKey? { keys[id] }

    public var ids: [String] { order.map(\.id) }

    /// One line of JSON.
    public func json() throws(CryptoError) -> [UInt8] {
        var list: [JSONValue] = []
        for key in order { list.append(try key.json()) }
        return JSONValue.object(["keys": .array(list)]).bytes + [0x0A]
    }

    /// Members that only the holder of a private or shared key may know (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
    private static let secretMembers = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"]

    private static func key(_ entry: JSONValue) throws(CryptoError) -> TokenKey? {
        let operation = "read the key"
        guard entry.objectValue != nil else { throw CryptoError(operation, "it is no object") }
        if let secret = secretMembers.first(where: { entry[$0] != nil }) {
            throw CryptoError(operation, "its member “\(secret)” is secret and has no place in a set for verifying; replace the key")
        }
        let algorithm: SigningAlgorithm
        switch (entry["kty"]?.stringValue, entry["crv"]?.stringValue) {
        case ("OKP", "Ed25519"): algorithm = .ed25519
        case ("EC", "P-256"): algorithm = .p256
        default: return nil
        }
        guard isForVerifying(entry, algorithm), let id = entry["kid"]?.stringValue else { return nil }
        var raw = try coordinate("x", entry, operation)
        if algorithm == .p256 { raw += try coordinate("y", entry, operation) }
        return try TokenKey(PublicKey(algorithm, raw: raw), id: id)
    }

    private static func isForVerifying(_ entry: JSONValue, _ algorithm: SigningAlgorithm) -> Bool {
        if let name = entry["alg"], name.stringValue != algorithm.joseName { return false }
        if let use = entry["use"], use.stringValue != "sig" { return false }
        if let operations = entry["key_ops"] { return operations.arrayValue?.contains(.string("verify")) ?? false }
        return true
    }

    private static func coordinate(_ name: String, _ entry: JSONValue, _ operation: String) throws(CryptoError) -> [UInt8] {
        guard let text = entry[name]?.stringValue, let bytes = Base64URL.decode(text.utf8), bytes.count == 32 else {
            throw CryptoError(operation, "its member “\(name)” is not 32 bytes in base64url")
        }
        return bytes
    }
}
