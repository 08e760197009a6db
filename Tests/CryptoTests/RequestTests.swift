import Foundation
import TestSupport
import Testing

@testable import Crypto

@Suite struct RequestTests {
    @Test(arguments: [["rsa:2048"], ["rsa:4096"], ["ed25519"], ["ec:p256.param"]])
    func strongKeysAreTaken(key: [String]) async throws {
        try await withTemporaryFolder { folder in
            let pem = try await CertificateTests.request(OpenSSLCommand(folder: folder), key: key)
            #expect(try CertificateRequest(pem: pem).commonName == "administrator")
        }
    }

    struct Weak: Sendable {
        var key = ["ec:p256.param"]
        var arguments: [String] = []
        let reason: String
    }

    @Test(arguments: [
        Weak(key: ["rsa:1024"], reason: "1024 bits"), Weak(key: ["rsa:4104"], reason: "4104 bits"),
        Weak(key: ["rsa:2048"], arguments: ["-sha1"], reason: "SHA-256"), Weak(arguments: ["-sha1"], reason: "SHA-256"),
        Weak(key: ["rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"], reason: "exponent"), Weak(key: ["ed448"], reason: "neither"),
        Weak(key: ["ec:p224.param"], reason: "curve"), Weak(key: ["ec:p521.param"], reason: "curve"),
    ])
    func weakOnesAreRefused(weak: Weak) async throws {
        try await withTemporaryFolder { folder in
            let command = OpenSSLCommand(folder: folder)
            for curve in ["224", "521"] {
                _ = try await command.run(
                    "genpkey", "-genparam", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-\(curve)", "-out", "p\(curve).param")
            }
            let pem = try await CertificateTests.request(command, key: weak.key, weak.arguments)
            let error = #expect(throws: CryptoError.self) { try CertificateRequest(pem: pem) }
            #expect(error?.reason.contains(weak.reason) == true, "\(error?.description ?? "")")
        }
    }

    /// Proof of possession: the signature is over the key, so another key, or another bit, must not pass.
    @Test func everyChangedByteIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let pem = try await CertificateTests.request(OpenSSLCommand(folder: folder))
            let text = String(decoding: pem, as: UTF8.self).split(separator: "\n").dropFirst().dropLast().joined()
            let der = Array(try #require(Data(base64Encoded: text)))
            func wrapped(_ der: [UInt8]) -> [UInt8] {
                let body = Data(der).base64EncodedString(options: .lineLength64Characters)
                return Array("-----BEGIN CERTIFICATE REQUEST-----\n\(body)\n-----END CERTIFICATE REQUEST-----\n".utf8)
            }
            #expect(throws: Never.self) { try CertificateRequest(pem: wrapped(der)) }
            for index in der.indices {
                var changed = der
                changed[index] ^= 0x01
                #expect(throws: CryptoError.self, "byte \(index)") { try CertificateRequest(pem: wrapped(changed)) }
            }
        }
    }

    @Test func whatIsNoRequestIsRefused() throws {
        let certificate = try CertificateTests.authority().certificate.pem()
        for pem in [[], Array("x".utf8), certificate, [UInt8](repeating: 0x41, count: 20_000)] {
            #expect(throws: CryptoError.self) { try CertificateRequest(pem: pem) }
        }
    }
}

@Suite struct RevocationListTests {
    @Test(arguments: SigningAlgorithm.allCases)
    func theCommandRefusesWhatIsRevoked(algorithm: SigningAlgorithm) async throws {
        try await withTemporaryFolder { folder in
            let command = OpenSSLCommand(folder: folder)
            let authority = try CertificateTests.authority(algorithm)
            let key = try PrivateKey(.p256).publicKey()
            let (good, bad) = (
                try authority.issue(to: key, CertificateTests.profile("good")),
                try authority.issue(to: key, CertificateTests.profile("bad"))
            )
            let now = CertificateTests.epoch + 60
            let others = try Revocation.Reason.allCases.map {
                Revocation(serial: try SerialNumber.random(), at: now, reason: $0)
            }
            let list = try authority.revocationList(
                others + [Revocation(serial: bad.serial, at: now, reason: .keyCompromise)], number: 42, validity: now...(now + 3_600))
            for (name, content) in [
                ("ca.pem", try authority.certificate.pem()), ("good.pem", try good.pem()), ("bad.pem", try bad.pem()),
                ("list.pem", list.pem), ("list.der", list.der),
            ] { try command.write(name, content) }
            let verify = ["verify", "-crl_check", "-attime", "\(now + 1)", "-CAfile", "ca.pem", "-CRLfile", "list.pem"]
            #expect(try await command.run(list: verify + ["good.pem"]).text == "good.pem: OK\n")
            #expect(try await command.run(list: verify + ["bad.pem"]).text.contains("certificate revoked"))
            let text = try await command.run("crl", "-inform", "DER", "-in", "list.der", "-noout", "-text").text
            #expect(text.contains("CRL Number: \n                42"))
            #expect(text.contains("Version 2"))
            #expect(text.contains("Key Compromise"))
            #expect(text.contains("Authority Key Identifier"))
            #expect(text.split(separator: "Serial Number:").count == others.count + 2)
        }
    }

    @Test func anEmptyListIsAList() async throws {
        try await withTemporaryFolder { folder in
            let command = OpenSSLCommand(folder: folder)
            let authority = try CertificateTests.authority()
            let now = CertificateTests.epoch
            try command.write("list.pem", try authority.revocationList([], number: 1, validity: now...(now + 1)).pem)
            try command.write("ca.pem", try authority.certificate.pem())
            let text = try await command.run("crl", "-in", "list.pem", "-noout", "-text", "-CAfile", "ca.pem").text
            #expect(text.contains("No Revoked Certificates"))
            #expect(text.contains("verify OK"))
        }
    }
}
