import Crypto
import Domain

/// The key that everything secret of this registry is derived from (HKDF, RFC 5869). It is in no database; whoever has it speaks for every
/// device.
struct MasterKey: Sendable {
    static let byteCount = 32

    private let key: SymmetricKey

    /// - Parameter text: 64 hexadecimal digits, as `martlet keys create-master` writes them; a line feed may follow.
    init(hexadecimal text: [UInt8]) throws(CryptoError) {
        let digits = text.last == 0x0A ? text.dropLast() : text[...]
        guard let bytes = Hexadecimal.decode(digits), bytes.count == Self.byteCount else {
            throw CryptoError(
                "take the master key", "it is not \(2 * Self.byteCount) hexadecimal digits; `martlet keys create-master` makes one")
        }
        key = SymmetricKey(bytes)
    }

    /// The secret of one credential of one device, as the device gets it.
    func secret(of device: DeviceID, _ credential: CredentialID) -> DeviceSecret {
        DeviceSecret(derive("device-secret", device.text, credential.text))
    }

    /// A key for one purpose.
    /// - Parameter names: what it is the key of, none with a zero byte: so no two lists of names give the same key.
    func derive(_ purpose: String, _ names: String...) -> SymmetricKey {
        HKDFSHA256.derive(key, info: Array(([purpose] + names).joined(separator: "\0").utf8))
    }
}

/// What a device signs with. It is handed out once and never kept.
struct DeviceSecret: Sendable, CustomStringConvertible {
    /// 64 hexadecimal digits: what the client is shown.
    let text: String

    fileprivate init(_ key: SymmetricKey) { text = key.withBytes { Hexadecimal.encode($0) } }

    /// The key of the HMAC is the text itself, byte by byte, so that `openssl dgst -hmac` takes it as it is.
    var key: SymmetricKey { SymmetricKey(Array(text.utf8)) }

    var description: String { "DeviceSecret" }
}
