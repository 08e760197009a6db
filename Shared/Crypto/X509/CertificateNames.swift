/// A subject or issuer, as far as Martlet writes them.
public struct DistinguishedName: Sendable, Hashable {
    /// RFC 5280 allows 64 characters at most, for either field.
    public static let longestField = 64

    public var commonName: String
    public var organization: String?

    public init(commonName: String, organization: String? = nil) {
        self.commonName = commonName
        self.organization = organization
    }
}

/// One entry of the subject alternative name extension (RFC 5280, section 4.2.1.6).
public enum AlternativeName: Sendable, Hashable {
    case dns(String)
    case uri(String)
    /// 4 bytes of IPv4 or 16 of IPv6.
    case address([UInt8])
}

/// Number that an authority gives to one certificate: 128 random bits, so that nobody can foresee the next one.
public struct SerialNumber: Sendable, Hashable, CustomStringConvertible {
    /// Big-endian, without leading zeros; at most 20 (RFC 5280, section 4.1.2.2).
    public let bytes: [UInt8]

    init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes.drop { $0 == 0 }) }

    public static func random() throws(CryptoError) -> SerialNumber {
        while true {
            let serial = SerialNumber(bytes: try SecureRandom.bytes(16))
            if !serial.bytes.isEmpty { return serial }
        }
    }

    /// - Parameter hexadecimal: 1…40 digits.
    public init?(hexadecimal: String) {
        let even = hexadecimal.utf8.count % 2 == 0 ? hexadecimal : "0" + hexadecimal
        guard !hexadecimal.isEmpty, even.utf8.count <= 40, let bytes = Hexadecimal.decode(even.utf8) else { return nil }
        self.init(bytes: bytes)
    }

    /// Lower-case hexadecimal digits, two for each byte.
    public var description: String { Hexadecimal.encode(bytes) }
}
