import Crypto
import Files
public import ServiceKit

/// Settings of the built-in certification authority.
public enum CertificateKeys {
    public static let certificate = ConfigKey(
        "pki.certificate", default: "", help: "PEM file with the certificate of the authority; empty: no certificates are issued.")
    public static let privateKey = ConfigKey(
        "pki.key", default: "", help: "PEM file with the authority's private key, readable by its owner only.")
    public static let validity = ConfigKey(
        "pki.validity", default: Duration.seconds(90 * 86_400), in: .seconds(3_600) ... .seconds(825 * 86_400),
        help: "How long a device's certificate holds.")
    public static let warning = ConfigKey(
        "pki.expiry-warning", default: Duration.seconds(30 * 86_400), in: .seconds(3_600) ... .seconds(825 * 86_400),
        help: "Devices whose last certificate ends within this time are counted as expiring.")
    public static let listFile = ConfigKey(
        "pki.revocation-list", default: "", help: "Where the list of revoked certificates is written for the broker (PEM); empty: nowhere.")
    public static let listValidity = ConfigKey(
        "pki.revocation-list-validity", default: Duration.seconds(7 * 86_400), in: .seconds(3_600) ... .seconds(365 * 86_400),
        help: "How long a list holds; a new one is made after half of it, and a second after each revocation.")
    public static let brokerProcess = ConfigKey(
        "pki.broker-pid", default: "", help: "File with the process id of a Mosquitto on this machine that is told (SIGHUP) of a new list.")

    public static let broker = ConfigKey(
        "pki.broker", default: "",
        help: "Inner listener of Mosquitto, host:port, where connections of revoked devices are ended; empty: they last until they break.")
    public static let brokerUser = ConfigKey("pki.broker-username", default: "", help: "User name at that listener; empty for none.")
    public static let brokerPassword = ConfigKey("pki.broker-password", default: "", secret: true, help: "Password at that listener.")
    public static let brokerDenied = ConfigKey(
        "pki.broker-denied", default: "", help: "File in which the broker's log is counted: publishes that it denied. Empty: none.")

    public static let table: ConfigTable = [
        certificate, privateKey, validity, warning, listFile, listValidity, brokerProcess, broker, brokerUser, brokerPassword, brokerDenied,
    ]

    /// Nil without an authority.
    /// - Throws: when the files cannot be read, do not belong together, or the key lies open.
    static func authority(_ reader: ConfigReader) throws(ConfigError) -> CertificateAuthority? {
        let (certificatePath, keyPath) = (reader[certificate], reader[privateKey])
        guard certificatePath.isEmpty == keyPath.isEmpty else {
            throw ConfigError(
                key: (certificatePath.isEmpty ? certificate : privateKey).name, reason: "pki.certificate and pki.key are given together")
        }
        guard !certificatePath.isEmpty else { return nil }
        do {
            let key = try PrivateKey(pem: SecretFile.read(keyPath))
            return try CertificateAuthority(certificate: Certificate(pem: BoundedFile.read(certificatePath)), key: key)
        } catch {
            throw ConfigError(key: certificate.name, reason: "\(error)")
        }
    }

    static func terms(_ reader: ConfigReader) -> CertificateTerms { CertificateTerms(validity: reader[validity].components.seconds) }

    /// Nil without a broker.
    static func sessions(_ reader: ConfigReader) throws(ConfigError) -> BrokerSessions? {
        let text = reader[broker]
        guard !text.isEmpty else { return nil }
        guard let colon = text.lastIndex(of: ":"), colon > text.startIndex, let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { throw ConfigError(key: broker.name, reason: "must be host:port") }
        let user = reader[brokerUser]
        return BrokerSessions(
            host: String(text[..<colon]), port: Int(port), username: user.isEmpty ? nil : user,
            password: user.isEmpty ? nil : reader[brokerPassword])
    }

    static func revocations(_ reader: ConfigReader) -> RevocationSettings {
        RevocationSettings(
            validity: reader[listValidity].components.seconds, warning: reader[warning].components.seconds, file: reader[listFile],
            brokerProcess: reader[brokerProcess])
    }
}
