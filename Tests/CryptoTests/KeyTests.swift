import Foundation
import TestSupport
import Testing

@testable import Crypto

/// The `openssl` command, for what must agree with it.
struct OpenSSLCommand {
    let folder: URL

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func write(_ name: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: folder.appendingPathComponent(name)) }

    func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appendingPathComponent(name))) }

    /// Runs it in the folder.
    /// - Returns: the exit code, and what it printed on either output.
    @discardableResult
    func run(_ arguments: String...) async throws -> (code: Int32, text: String) { try await run(list: arguments) }

    func run(list arguments: [String]) async throws -> (code: Int32, text: String) {
        let child = try ChildProcess("openssl", "/usr/bin/env", ["-C", folder.path, "openssl"] + arguments, folder: folder)
        try await eventually("openssl \(arguments.joined(separator: " ")) ends", within: 120) { !child.isRunning }
        return (try await child.stop(), child.output())
    }
}

@Suite struct KeyTests {
    struct Vector: Sendable {
        let secret: String
        let key: String
        let message: String
        let signature: String
    }

    /// RFC 8032, section 7.1, tests 1–3.
    static let vectors = [
        Vector(
            secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
            signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
        Vector(
            secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", message: "72",
            signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
        Vector(
            secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", message: "af82",
            signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ]

    /// PKCS #8 of RFC 8410, section 7, around the secret.
    static func pem(_ secret: String) -> [UInt8] {
        let der = bytes("302e020100300506032b657004220420" + secret)
        return Array("-----BEGIN PRIVATE KEY-----\n\(Data(der).base64EncodedString())\n-----END PRIVATE KEY-----\n".utf8)
    }

    @Test(arguments: vectors)
    func ed25519(vector: Vector) throws {
        let key = try PrivateKey(pem: Self.pem(vector.secret))
        #expect(key.algorithm == .ed25519)
        #expect(Hexadecimal.encode(try key.publicKey().raw()) == vector.key)
        #expect(Hexadecimal.encode(try key.sign(bytes(vector.message))) == vector.signature)
        let verifier = try PublicKey(.ed25519, raw: bytes(vector.key))
        #expect(verifier.isValid(bytes(vector.signature), for: bytes(vector.message)))
        #expect(!verifier.isValid(bytes(vector.signature), for: bytes(vector.message) + [0]))
    }

    @Test(arguments: SigningAlgorithm.allCases)
    func everyFlippedBitIsSeen(algorithm: SigningAlgorithm) throws {
        let key = try PrivateKey(algorithm)
        let verifier = try key.publicKey()
        let message = Array("a message".utf8)
        let signature = try key.sign(message)
        #expect(signature.count == 64)
        #expect(verifier.isValid(signature, for: message))
        for bit in 0..<(64 * 8) {
            var wrong = signature
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!verifier.isValid(wrong, for: message), "bit \(bit)")
        }
        for wrong in [[], [UInt8](repeating: 0, count: 64), signature.dropLast(), signature + [0]] {
            #expect(!verifier.isValid(wrong, for: message))
        }
        #expect(!(try PrivateKey(algorithm).publicKey().isValid(signature, for: message)))
    }

    @Test(arguments: SigningAlgorithm.allCases)
    func keysSurviveTheirWritings(algorithm: SigningAlgorithm) throws {
        let key = try PrivateKey(algorithm)
        let again = try PrivateKey(pem: try key.pem())
        let message: [UInt8] = [1, 2, 3]
        let signature = try again.sign(message)
        let known = try key.publicKey()
        for verifier in [known, try PublicKey(pem: try known.pem()), try PublicKey(algorithm, raw: try known.raw())] {
            #expect(verifier.algorithm == algorithm)
            #expect(verifier.isValid(signature, for: message))
        }
        #expect("\(key)" == "PrivateKey(\(algorithm))")
    }

    /// Many signatures: r or s begins with a zero byte in one of 128.
    @Test func ecdsaSignaturesChangeTheirWriting() throws {
        let key = try PrivateKey(.p256)
        for number in 0..<600 {
            let der = try key.handle.sign([UInt8(number & 255)], .p256)
            let fixed = try #require(ECDSASignature.fixed(der: der))
            #expect(ECDSASignature.der(fixed: fixed) == der)
        }
        #expect(ECDSASignature.fixed(der: []) == nil)
        #expect(ECDSASignature.fixed(der: [0x30, 6, 2, 1, 1, 2, 1]) == nil)
        #expect(ECDSASignature.fixed(der: [0x30, 6, 2, 1, 1, 2, 9, 1]) == nil)
    }

    @Test func pointsOffTheCurveAreRefused() throws {
        var raw = try PrivateKey(.p256).publicKey().raw()
        raw[63] ^= 1
        #expect(throws: CryptoError.self) { try PublicKey(.p256, raw: raw) }
        #expect(throws: CryptoError.self) { try PublicKey(.p256, raw: [UInt8](repeating: 0, count: 64)) }
        #expect(throws: CryptoError.self) { try PublicKey(.p256, raw: [1]) }
        #expect(throws: CryptoError.self) { try PublicKey(.ed25519, raw: [1]) }
    }

    @Test func whatIsNoKeySaysWhy() {
        let error = #expect(throws: CryptoError.self) { try PrivateKey(pem: Array("nothing".utf8)) }
        #expect(error?.description == "cannot read a private key: unsupported")
        #expect(throws: CryptoError.self) { try PublicKey(pem: []) }
    }

    @Test(arguments: SigningAlgorithm.allCases)
    func agreesWithTheCommand(algorithm: SigningAlgorithm) async throws {
        try await withTemporaryFolder { folder in
            let command = OpenSSLCommand(folder: folder)
            let kind = algorithm == .ed25519 ? ["-algorithm", "ED25519"] : ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
            #expect(try await command.run(list: ["genpkey", "-out", "their.pem"] + kind).code == 0)
            let message = Array("cross-check".utf8)
            try command.write("message", message)
            // Our signature, their verification.
            let key = try PrivateKey(pem: try command.read("their.pem"))
            #expect(key.algorithm == algorithm)
            let signature = try key.sign(message)
            try command.write("signature", algorithm == .p256 ? ECDSASignature.der(fixed: signature) : signature)
            try command.write("public.pem", try key.publicKey().pem())
            let raw = algorithm == .ed25519 ? ["-rawin"] : ["-rawin", "-digest", "sha256"]
            let verify = ["-verify", "-pubin", "-inkey", "public.pem", "-in", "message", "-sigfile", "signature"]
            let verified = try await command.run(list: ["pkeyutl"] + verify + raw)
            #expect(verified.code == 0, "\(verified.text)")
            // Their signature, our verification.
            let signed = try await command.run(
                list: ["pkeyutl", "-sign", "-inkey", "their.pem", "-in", "message", "-out", "theirs"] + raw)
            #expect(signed.code == 0, "\(signed.text)")
            let theirs = try command.read("theirs")
            let fixed = algorithm == .p256 ? try #require(ECDSASignature.fixed(der: theirs)) : theirs
            #expect(try key.publicKey().isValid(fixed, for: message))
        }
    }

    @Test func otherKindsAreRefused() async throws {
        try await withTemporaryFolder { folder in
            let command = OpenSSLCommand(folder: folder)
            for kind in [["-algorithm", "RSA"], ["-algorithm", "X25519"], ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]] {
                #expect(try await command.run(list: ["genpkey", "-out", "key.pem"] + kind).code == 0)
                let pem = try command.read("key.pem")
                #expect(throws: CryptoError.self) { try PrivateKey(pem: pem) }
            }
            // Encrypted: refused, not asked for at the terminal.
            let encrypted = ["-algorithm", "ED25519", "-aes256", "-pass", "pass:secret", "-out", "key.pem"]
            #expect(try await command.run(list: ["genpkey"] + encrypted).code == 0)
            let pem = try command.read("key.pem")
            #expect(throws: CryptoError.self) { try PrivateKey(pem: pem) }
        }
    }

    @Test func secretsThatOthersCanReadAreRefused() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("secret").path
            #expect(FileManager.default.createFile(atPath: path, contents: Data("secret".utf8)))
            for mode: mode_t in [0o600, 0o400] {
                chmod(path, mode)
                let content = try SecretFile.read(path)
                #expect(content == Array("secret".utf8))
            }
            for mode: mode_t in [0o644, 0o604, 0o640, 0o660, 0o602, 0o700] {
                chmod(path, mode)
                let error = #expect(throws: CryptoError.self) { try SecretFile.read(path) }
                #expect(error?.reason.contains("chmod 600") == true)
            }
            let missing = #expect(throws: CryptoError.self) { try SecretFile.read(path + "x") }
            #expect(missing?.reason.hasSuffix("No such file or directory") == true)
            #expect(throws: CryptoError.self) { try SecretFile.read(folder.path) }
        }
    }
}
