import AccessTokens
import Crypto
import Files
public import ServiceKit

/// Settings of the access tokens that the registry issues.
public enum TokenKeys {
    public static let key = ConfigKey(
        "tokens.key", default: "",
        help: "PEM file with the private key (Ed25519 or P-256) that access tokens are signed with; empty: none are issued.")
    public static let keySet = ConfigKey(
        "tokens.other-keys", default: "",
        help: "File with more keys whose tokens hold (JSON Web Key Set): the one before, the next one. Shown by /v1/jwks, too.")
    public static let longest = ConfigKey(
        "tokens.longest", default: Duration.seconds(86_400), in: .seconds(60) ... .seconds(31 * 86_400),
        help: "How long a token holds at most; without a wish an hour.")

    public static let table: ConfigTable = [key, keySet, longest]

    /// Nil without a key.
    /// - Throws: when a file cannot be read, or the private key lies open.
    static func settings(_ reader: ConfigReader) throws(ConfigError) -> TokenSettings? {
        guard !reader[key].isEmpty else { return nil }
        do {
            let signer = try TokenSigner(PrivateKey(pem: SecretFile.read(reader[key])))
            var keys = [signer.key]
            if !reader[keySet].isEmpty {
                let others = try KeySet(json: BoundedFile.read(reader[keySet], limit: KeySet.longest))
                for id in others.ids where id != signer.key.id {
                    if let key = others[id] { keys.append(try TokenKey(key, id: id)) }
                }
            }
            return TokenSettings(
                signer: signer, keys: try KeySet(keys), issuer: reader[AccessKeys.issuer], audience: reader[AccessKeys.audience],
                longest: reader[longest].components.seconds)
        } catch {
            throw ConfigError(key: key.name, reason: "\(error)")
        }
    }
}

/// What tokens are made with and verified by.
struct TokenSettings: Sendable {
    let signer: TokenSigner
    /// The signer's and others that hold.
    let keys: KeySet
    var issuer = "martlet"
    var audience = "martlet"
    /// In seconds.
    var longest: Int64 = 86_400
}
