import Crypto
public import ServiceKit

/// Settings of the devices' secrets.
public enum CredentialKeys {
    public static let masterKeyFile = ConfigKey(
        "credentials.master-key-file", default: "",
        help:
            "File with the key that devices' secrets are derived from, readable by its owner only; `martlet keys create-master` makes one.")
    public static let masterKey = ConfigKey(
        "credentials.master-key", default: "", secret: true,
        help:
            "The same key as 64 hexadecimal digits, for an environment variable out of a secret store. Without either no secret is issued.")
    public static let productKey = ConfigKey(
        "credentials.product-key", default: "martlet", allowed: "1…64 of A-Z a-z 0-9 . _ -",
        help: "What signatures begin with: the same for all devices, so that a change of type does not lock one out."
    ) { isProductKey($0) }
    public static let clockWindow = ConfigKey(
        "credentials.clock-window", default: Duration.seconds(300), in: .seconds(1) ... .seconds(3_600),
        help: "By how much the time of a signature may differ from the registry's clock, either way.")

    public static let enrolmentRate = ConfigKey(
        "provisioning.enrolments-per-minute", default: 600, in: 10...100_000,
        help: "Devices that may register by one enrolment's key in a minute, in bursts of a tenth; more are told to wait (429).")

    public static let table: ConfigTable = [masterKeyFile, masterKey, productKey, clockWindow, enrolmentRate]

    private static func isProductKey(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }

    /// Nil without a master key.
    /// - Throws: when both settings are given, the file cannot be read or lies open, or what it holds is no key.
    static func master(_ reader: ConfigReader) throws(ConfigError) -> MasterKey? {
        let (path, text) = (reader[masterKeyFile], reader[masterKey])
        guard path.isEmpty || text.isEmpty else {
            throw ConfigError(key: masterKey.name, reason: "is given beside \(masterKeyFile.name); which of them counts? Leave one out")
        }
        let key = path.isEmpty ? masterKey.name : masterKeyFile.name
        do {
            if !path.isEmpty { return try MasterKey(hexadecimal: SecretFile.read(path)) }
            return text.isEmpty ? nil : try MasterKey(hexadecimal: Array(text.utf8))
        } catch {
            throw ConfigError(key: key, reason: "\(error)")
        }
    }

    static func terms(_ reader: ConfigReader) -> SignatureTerms {
        SignatureTerms(productKey: reader[productKey], window: reader[clockWindow])
    }
}
