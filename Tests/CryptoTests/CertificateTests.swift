import Foundation
import TestSupport
import Testing

@testable import Crypto

@Suite struct CertificateTests {
    /// 2026-01-01 and ten years later.
    static let epoch: Int64 = 1_767_225_600
    static let lifetime = epoch...(epoch + 10 * 365 * 86_400)

    static func authority(_ algorithm: SigningAlgorithm = .p256, name: String = "Test Authority") throws -> CertificateAuthority {
        try CertificateAuthority(
            subject: DistinguishedName(commonName: name, organization: "Example"), validity: lifetime, key: try PrivateKey(algorithm))
    }

    static func profile(_ name: String, purpose: CertificateProfile.Purpose = .client) -> CertificateProfile {
        CertificateProfile(
            subject: DistinguishedName(commonName: name), alternativeNames: [.uri("urn:example:device:\(name)")], purpose: purpose,
            validity: epoch...(epoch + 86_400))
    }

    /// A request made by the command, with what a careful attacker would put into it.
    static func request(_ command: OpenSSLCommand, key: [String] = ["ec:p256.param"], _ arguments: [String] = []) async throws -> [UInt8] {
        _ = try await command.run("genpkey", "-genparam", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "p256.param")
        let made = try await command.run(
            list: ["req", "-new", "-newkey"] + key + [
                "-nodes", "-keyout", "device.key", "-out", "device.csr", "-subj", "/O=Evil/CN=administrator",
                "-addext", "subjectAltName=DNS:broker.example,URI:urn:example:device:other",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign",
                "-addext", "extendedKeyUsage=serverAuth",
            ] + arguments)
        #expect(made.code == 0, "\(made.text)")
        return try command.read("device.csr")
    }

    @Test(arguments: SigningAlgorithm.allCases)
    func issuesWhatTheCommandAccepts(algorithm: SigningAlgorithm) async throws {
        try await withTemporaryFolder { folder in
            let command = OpenSSLCommand(folder: folder)
            let authority = try Self.authority(algorithm)
            let request = try CertificateRequest(pem: try await Self.request(command))
            #expect(request.commonName == "administrator")
            let certificate = try authority.issue(to: request, Self.profile("meter-7"))
            try command.write("ca.pem", try authority.certificate.pem())
            try command.write("device.pem", try certificate.pem())
            let at = "\(Self.epoch + 60)"
            let verified = try await command.run(
                "verify", "-x509_strict", "-attime", at, "-purpose", "sslclient", "-CAfile", "ca.pem", "device.pem")
            #expect(verified.text == "device.pem: OK\n")
            let server = try await command.run("verify", "-attime", at, "-purpose", "sslserver", "-CAfile", "ca.pem", "device.pem")
            #expect(server.code != 0, "a device must not pass for a server")
            let late = try await command.run("verify", "-attime", "\(Self.epoch + 90_000)", "-CAfile", "ca.pem", "device.pem")
            #expect(late.text.contains("certificate has expired"))
            // The key of the request and nothing else of it.
            let text = try await command.run("x509", "-in", "device.pem", "-noout", "-text").text
            for trace in ["Evil", "administrator", "broker.example", "device:other", "CA:TRUE", "Certificate Sign", "Server Auth"] {
                #expect(!text.contains(trace), "\(trace)")
            }
            for wanted in ["Subject: CN = meter-7", "URI:urn:example:device:meter-7", "CA:FALSE", "TLS Web Client Authentication"] {
                #expect(text.contains(wanted), "\(wanted)")
            }
            let ours = try await command.run("x509", "-in", "device.pem", "-noout", "-pubkey").text
            #expect(try await command.run("pkey", "-in", "device.key", "-pubout").text == ours)
            let serial = try await command.run("x509", "-in", "device.pem", "-noout", "-serial").text
            #expect(serial.lowercased() == "serial=\(certificate.serial)\n")
        }
    }

    @Test func readsWhatItWrote() throws {
        let authority = try Self.authority()
        let key = try PrivateKey(.ed25519)
        var profile = Self.profile("broker", purpose: .server)
        profile.alternativeNames = [.dns("broker.example"), .address([127, 0, 0, 1])]
        let issued = try authority.issue(to: try key.publicKey(), profile)
        for certificate in [try Certificate(pem: try issued.pem()), try Certificate(der: try issued.der())] {
            #expect(certificate.commonName == "broker")
            #expect(certificate.serial == issued.serial)
            #expect(certificate.serial.bytes.count > 12)
            #expect(certificate.notBefore == Self.epoch)
            #expect(certificate.notAfter == Self.epoch + 86_400)
            #expect(certificate.alternativeNames == profile.alternativeNames)
            #expect(certificate.isForServers && !certificate.isForClients && !certificate.isAuthority)
            #expect(certificate.isIssued(by: authority.certificate))
            #expect(!certificate.isIssued(by: certificate))
            #expect(try certificate.publicKey().raw() == key.publicKey().raw())
            #expect(try certificate.fingerprint() == issued.fingerprint())
        }
        #expect(authority.certificate.isAuthority && authority.certificate.isIssued(by: authority.certificate))
    }

    /// Same name, other key: the case that comparing names alone would let through.
    @Test func anAuthorityOfTheSameNameIsAnother() throws {
        let (real, imposter) = (try Self.authority(), try Self.authority())
        let certificate = try imposter.issue(to: try PrivateKey(.p256).publicKey(), Self.profile("meter-7"))
        #expect(!certificate.isIssued(by: real.certificate))
        #expect(certificate.isIssued(by: imposter.certificate))
    }

    @Test func refusesWhatIsNoAuthority() throws {
        let authority = try Self.authority()
        let key = try PrivateKey(.p256)
        let leaf = try authority.issue(to: try key.publicKey(), Self.profile("meter-7"))
        #expect(throws: CryptoError.self) { try CertificateAuthority(certificate: leaf, key: key) }
        #expect(throws: CryptoError.self) { try CertificateAuthority(certificate: authority.certificate, key: key) }
    }

    @Test func refusesNamesAndTimesThatItCannotVouchFor() throws {
        let authority = try Self.authority()
        let key = try PrivateKey(.p256).publicKey()
        var profiles: [CertificateProfile] = []
        for name in ["", "a\0b", String(repeating: "a", count: 65)] {
            var profile = Self.profile("x")
            profile.subject.commonName = name
            profiles.append(profile)
        }
        for name in [AlternativeName.uri(""), .uri("urn:a b"), .dns("a\0.example"), .dns("ä.example"), .address([1, 2, 3])] {
            var profile = Self.profile("x")
            profile.alternativeNames = [name]
            profiles.append(profile)
        }
        for validity in [(Self.epoch - 1)...(Self.epoch + 1), Self.epoch...(Self.lifetime.upperBound + 1)] {
            var profile = Self.profile("x")
            profile.validity = validity
            profiles.append(profile)
        }
        for profile in profiles { #expect(throws: CryptoError.self) { try authority.issue(to: key, profile) } }
        // A comma makes no second name.
        var profile = Self.profile("x,CN=y")
        profile.alternativeNames = [.uri("urn:a,DNS:b.example")]
        let certificate = try authority.issue(to: key, profile)
        #expect(certificate.commonName == "x,CN=y")
        #expect(certificate.alternativeNames == [.uri("urn:a,DNS:b.example")])
    }

    @Test func serialNumbersAreTold() throws {
        #expect(SerialNumber(hexadecimal: "0a1")?.description == "a1")
        #expect(SerialNumber(hexadecimal: "A1") == SerialNumber(hexadecimal: "00a1"))
        for text in ["", "x", "0x1", String(repeating: "1", count: 41), "-1"] { #expect(SerialNumber(hexadecimal: text) == nil) }
        #expect(Set(try (0..<100).map { _ in try SerialNumber.random() }).count == 100)
    }

    @Test func certificatesWithSomethingBehindAreRefused() throws {
        let der = try Self.authority().certificate.der()
        #expect(throws: CryptoError.self) { try Certificate(der: der + [0]) }
        #expect(throws: CryptoError.self) { try Certificate(der: der.dropLast()) }
        #expect(throws: CryptoError.self) { try Certificate(der: []) }
        for end in stride(from: 0, to: der.count, by: 7) {
            #expect(throws: CryptoError.self) { try Certificate(der: Array(der.prefix(end))) }
        }
    }
}
