import Testing

@testable import Crypto

func bytes(_ hexadecimal: String) -> [UInt8] { Hexadecimal.decode(hexadecimal.utf8) ?? [] }

@Suite struct DigestTests {
    /// FIPS 180-4's examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256(text: String, expected: String) {
        #expect(Hexadecimal.encode(SHA256.hash(Array(text.utf8))) == expected)
        var hasher = SHA256.Hasher()
        for byte in text.utf8 { hasher.update([byte]) }
        #expect(Hexadecimal.encode(hasher.finalize()) == expected)
    }

    struct CodeVector: Sendable {
        let key: String
        let message: String
        /// The first 16 bytes only in test case 5.
        let code: String
    }

    /// RFC 4231, sections 4.2–4.8.
    static let codes = [
        CodeVector(
            key: String(repeating: "0b", count: 20), message: "4869205468657265",
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        CodeVector(
            key: "4a656665", message: "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        CodeVector(
            key: String(repeating: "aa", count: 20), message: String(repeating: "dd", count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        CodeVector(
            key: "0102030405060708090a0b0c0d0e0f10111213141516171819", message: String(repeating: "cd", count: 50),
            code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        CodeVector(
            key: String(repeating: "0c", count: 20), message: "546573742057697468205472756e636174696f6e",
            code: "a3b6167473100ee06e0c796c2955552b"),
        CodeVector(
            key: String(repeating: "aa", count: 131),
            message: "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        CodeVector(
            key: String(repeating: "aa", count: 131),
            message:
                "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e642061206c6172"
                + "6765"
                + "72207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f20626520686173686564206265666f7265206265"
                + "696e6720757365642062792074686520484d414320616c676f726974686d2e",
            code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ]

    @Test(arguments: codes)
    func hmac(vector: CodeVector) {
        let key = SymmetricKey(bytes(vector.key))
        let code = HMACSHA256.code(for: bytes(vector.message), key: key)
        #expect(Hexadecimal.encode(code).hasPrefix(vector.code))
        #expect(HMACSHA256.isValid(code, for: bytes(vector.message), key: key))
        #expect(!HMACSHA256.isValid(code.dropLast(), for: bytes(vector.message), key: key))
        #expect(!HMACSHA256.isValid(code, for: bytes(vector.message) + [0], key: key))
    }

    /// An empty key and an empty message, as Python's `hmac` has it.
    @Test func hmacOfNothing() {
        let code = HMACSHA256.code(for: [UInt8](), key: SymmetricKey([UInt8]()))
        #expect(Hexadecimal.encode(code) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    struct DerivationVector: Sendable {
        let secret: String
        let salt: String
        let info: String
        let output: String
    }

    /// RFC 5869, appendices A.1–A.3.
    static let derivations = [
        DerivationVector(
            secret: String(repeating: "0b", count: 22), salt: "000102030405060708090a0b0c", info: "f0f1f2f3f4f5f6f7f8f9",
            output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        DerivationVector(
            secret: Hexadecimal.encode(0x00...0x4f), salt: Hexadecimal.encode(0x60...0xaf), info: Hexadecimal.encode(0xb0...0xff),
            output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
        DerivationVector(
            secret: String(repeating: "0b", count: 22), salt: "", info: "",
            output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    ]

    @Test(arguments: derivations)
    func hkdf(vector: DerivationVector) {
        let expected = bytes(vector.output)
        let key = HKDFSHA256.derive(
            SymmetricKey(bytes(vector.secret)), salt: bytes(vector.salt), info: bytes(vector.info), byteCount: expected.count)
        #expect(key.withBytes { Array($0) } == expected)
        #expect("\(key)" == "SymmetricKey(\(expected.count) bytes)")
    }

    @Test func hkdfReachesItsLongestOutput() {
        let key = HKDFSHA256.derive(SymmetricKey([1]), info: [], byteCount: HKDFSHA256.longestOutput)
        #expect(key.byteCount == 8_160)
    }

    @Test func comparesSecrets() {
        #expect(areEqualInConstantTime([UInt8](), [UInt8]()))
        #expect(areEqualInConstantTime([1, 2, 3], [1, 2, 3][...]))
        #expect(!areEqualInConstantTime([1, 2, 3], [1, 2, 4]))
        #expect(!areEqualInConstantTime([1, 2, 3], [1, 2]))
    }

    @Test func randomBytesDiffer() throws {
        let drawn = try (0..<100).map { _ in try SecureRandom.bytes(16) }
        #expect(Set(drawn).count == 100)
        #expect(drawn.allSatisfy { $0.count == 16 })
        #expect(try SecureRandom.bytes(0) == [])
    }

    /// RFC 4648, section 10, without padding and with both characters that differ.
    @Test(arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
    ])
    func base64(plain: String, encoded: String) {
        #expect(Base64URL.encode(plain.utf8) == encoded)
        #expect(Base64URL.decode(encoded.utf8) == Array(plain.utf8))
        #expect(Base64URL.decode(Base64URL.encode([0xFB, 0xFF]).utf8) == [0xFB, 0xFF])
        #expect(Base64URL.encode([0xFB, 0xFF]) == "-_8")
    }

    @Test(arguments: ["Zg==", "Zm9v=", "Z", "Zm9vY", "Zh", "Zm9", "+_8", "-/8", "Zm 9v", "Zm9v\n", "Zm9\u{FC}", "Zm9v.", "\0"])
    func base64IsStrict(text: String) {
        #expect(Base64URL.decode(text.utf8) == nil)
    }

    @Test func hexadecimalIsStrict() {
        #expect(Hexadecimal.decode("00fF".utf8) == [0, 255])
        for text in ["0", "0g", " 00", "0x"] { #expect(Hexadecimal.decode(text.utf8) == nil) }
    }
}
