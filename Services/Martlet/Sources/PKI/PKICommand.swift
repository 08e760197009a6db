import Crypto
import Files
import Foundation

/// `martlet pki`
enum PKICommand {
    static let certificate = Option<String>.file("certificate", help: "The authority's certificate (`pki.certificate`).")
    static let privateKey = Option<String>.file(
        "private-key", help: "The authority's private key (`pki.key`); nobody else may read the file.")
    static let name = Option<String>("name", "TEXT", default: "Martlet devices", help: "Common name of the authority.")
    static let years = Option<Int>("years", "N", default: 10, in: 1...50, help: "How long the authority holds.")
    static let serverCertificate = Option<String>.file("server-certificate", help: "The server's certificate.")
    static let serverKey = Option<String>.file("server-key", help: "The server's private key.")
    static let hosts = Option<String>(
        "hosts", "LIST", help: "Names and addresses that clients know the server by, with commas between: localhost,127.0.0.1.")
    static let list = Option<String>.file(
        "revocation-list", help: "Also write an empty list of revoked certificates there, for a broker that starts before the registry.")
    static let groupMay = Flag("group-readable", help: "The file's group may read the server's key (0640).")
    static let days = Option<Int>("days", "N", default: 365, in: 1...825, help: "How long the server's certificate holds.")

    static let command = Command(
        name: "pki", summary: "make the authority that signs certificates, and a broker's certificate",
        subcommands: [
            Command(
                name: "create-authority", summary: "make an authority for certificates, in two files",
                discussion: "Safe to repeat: an authority that is there stays.",
                examples: [
                    .init("martlet pki create-authority --certificate ca.pem --private-key ca.key", "ECDSA with P-256, for ten years")
                ],
                options: [certificate.declaration, privateKey.declaration, name.declaration, years.declaration, list.declaration],
                run: createAuthority),
            Command(
                name: "issue-server", summary: "make a key for a server and sign its certificate",
                discussion: "A key and a certificate that are there are replaced.",
                examples: [
                    .init(
                        "martlet pki issue-server --certificate ca.pem --private-key ca.key --hosts localhost,127.0.0.1 "
                            + "--server-certificate broker.pem --server-key broker.key", "for Mosquitto on this machine")
                ],
                options: [
                    certificate.declaration, privateKey.declaration, hosts.declaration, serverCertificate.declaration,
                    serverKey.declaration, groupMay.declaration, days.declaration,
                ], run: issueServer),
        ])

    /// Clocks of clients may be behind.
    private static let backdating: Int64 = 300

    private static func validity(days: Int) -> ClosedRange<Int64> {
        let now = Int64(Date().timeIntervalSince1970)
        return (now - backdating)...(now + Int64(days) * 86_400)
    }

    static func createAuthority(_ arguments: Arguments) throws -> ExitCode {
        let (path, keyPath) = (try arguments.value(certificate), try arguments.value(privateKey))
        let listPath = try arguments.optional(list)
        let subject = DistinguishedName(commonName: try arguments.value(name))
        let span = validity(days: try arguments.value(years) * 365)
        let isThere = FileManager.default.fileExists(atPath: path) && FileManager.default.fileExists(atPath: keyPath)
        try explained {
            let authority: CertificateAuthority
            if isThere {
                authority = try Self.authority(path, keyPath)
            } else {
                let key = try PrivateKey(.p256)
                authority = try CertificateAuthority(subject: subject, validity: span, key: key)
                try SecretFile.create(keyPath, try key.pem())
                try DurableFile.create(path, try authority.certificate.pem())
            }
            if let listPath, !FileManager.default.fileExists(atPath: listPath) {
                // Older than any that the registry makes.
                let start = authority.certificate.notBefore
                try DurableFile.create(listPath, authority.revocationList([], number: 0, validity: start...(start + 7 * 86_400)).pem)
            }
        }
        _ = try OutputLines().write("\(path): \(isThere ? "was there" : "made")")
        return .success
    }

    private static func authority(_ certificate: String, _ key: String) throws -> CertificateAuthority {
        try CertificateAuthority(certificate: Certificate(pem: BoundedFile.read(certificate)), key: PrivateKey(pem: SecretFile.read(key)))
    }

    static func issueServer(_ arguments: Arguments) throws -> ExitCode {
        let hosts = try arguments.value(hosts).split(separator: ",").map(String.init)
        guard let first = hosts.first else { throw UsageError(arguments.command, "--hosts names no host") }
        let (path, keyPath) = (try arguments.value(serverCertificate), try arguments.value(serverKey))
        let (authorityPath, authorityKey) = (try arguments.value(certificate), try arguments.value(privateKey))
        let span = validity(days: try arguments.value(days))
        try explained {
            let authority = try authority(authorityPath, authorityKey)
            let key = try PrivateKey(.p256)
            let profile = CertificateProfile(
                subject: DistinguishedName(commonName: first), alternativeNames: hosts.map(alternativeName), purpose: .server,
                validity: span)
            let issued = try authority.issue(to: key.publicKey(), profile)
            try DurableFile.replace(keyPath, try key.pem(), mode: arguments.has(groupMay) ? 0o640 : 0o600)
            try DurableFile.replace(path, try issued.pem())
            _ = try OutputLines().write("\(path): made for \(hosts.joined(separator: ", "))")
        }
        return .success
    }

    /// An address in its bytes, anything else as a name.
    private static func alternativeName(_ host: String) -> AlternativeName {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, host, &bytes) == 1 { return .address(bytes) }
        }
        return .dns(host)
    }

    private static func explained(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as CryptoError {
            throw ToolError(.badInput, "\(error)")
        } catch let error as DurableFileError {
            throw ToolError(.badInput, "\(error)")
        } catch let error as BoundedFileError {
            throw ToolError(.badInput, "\(error)")
        }
    }
}
