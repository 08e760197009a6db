import Crypto
import Testing

@testable import AccessTokens

@Suite struct TokenTests {
    @Test(arguments: SigningAlgorithm.allCases)
    func claimsSurviveTheirToken(algorithm: SigningAlgorithm) throws {
        let signer = try TokenSigner(try PrivateKey(algorithm))
        let verifier = TokenVerifier(keys: try KeySet([signer.key]), issuer: "martlet", audience: "b")
        let claims = AccessClaims(
            issuer: "martlet", subject: "device:pump-7", audience: ["a", "b"], expires: 2_000, notBefore: 1_000, issuedAt: 999, id: "x",
            scopes: [.devicesRead, .mqttAuth])
        #expect(try verifier.verify(try signer.sign(claims), now: 1_500) == claims)
        let least = AccessClaims(issuer: "martlet", subject: "s", audience: ["b"], expires: 2_000, scopes: [])
        #expect(try verifier.verify(try signer.sign(least), now: 1_500) == least)
    }

    /// RFC 8037, appendix A.4: the content has no claims, but the signature is seen to be right.
    @Test func verifiesTheExampleOfTheStandard() throws {
        let raw = try #require(Base64URL.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".utf8))
        let key = try PublicKey(.ed25519, raw: raw)
        let signature = try #require(
            Base64URL.decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".utf8))
        #expect(key.isValid(signature, for: Array("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".utf8)))
        // Appendix A.3.
        #expect(try TokenKey.thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    }

    /// RFC 7515, appendix A.3.
    @Test func verifiesTheOtherExample() throws {
        let x = try #require(Base64URL.decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU".utf8))
        let y = try #require(Base64URL.decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0".utf8))
        let signature = try #require(
            Base64URL.decode("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q".utf8))
        let content =
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        #expect(try PublicKey(.p256, raw: x + y).isValid(signature, for: Array(content.utf8)))
    }

    @Test func scopesAreNames() {
        #expect(Scope("devices:read") == .devicesRead)
        #expect(Scope("mqtt:auth")?.description == "mqtt:auth")
        for text in [
            "", ":", "a:", ":a", "a", "a:b:c", "A:b", "a b:c", "1a:b", "a:-", "ä:b", "a:b ", String(repeating: "a", count: 63) + ":b",
        ] {
            #expect(Scope(text) == nil, "\(text)")
        }
    }
}

@Suite struct KeySetTests {
    @Test func survivesItsWriting() throws {
        let keys = [try TokenKey(PrivateKey(.ed25519).publicKey()), try TokenKey(PrivateKey(.p256).publicKey(), id: "b")]
        let set = try KeySet(json: try KeySet(keys).json())
        #expect(set.ids == keys.map(\.id))
        for key in keys { #expect(try set[key.id]?.raw() == key.key.raw()) }
        #expect(set["c"] == nil)
    }

    static let point = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

    static func set(_ members: String) -> [UInt8] {
        Array("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"\(point)\"\(members)}]}".utf8)
    }

    @Test(arguments: ["", ",\"alg\":\"EdDSA\"", ",\"use\":\"sig\"", ",\"key_ops\":[\"verify\"]", ",\"x5t\":\"unknown\""])
    func readsKeysOfOthers(members: String) throws {
        #expect(try KeySet(json: Self.set(members)).ids == ["a"])
    }

    @Test(arguments: [
        ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"", ",\"d\":null", ",\"k\":\"AA\"", ",\"alg\":\"ES256\"", ",\"alg\":\"none\"",
        ",\"use\":\"enc\"", ",\"key_ops\":[\"sign\"]", ",\"key_ops\":1", ",\"kid\":\"b\"",
    ])
    func refusesWhatIsNotForVerifying(members: String) throws {
        #expect(throws: KeySetError.self) { try KeySet(json: Self.set(members)) }
    }

    @Test(arguments: [
        "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1]}",
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AA\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"a\",\"x\":\"\(point)\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\(point)\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"../a\",\"x\":\"\(point)\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"\(point)=\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"\(point)\",\"y\":\"\(point)\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"\(point)\"},"
            + "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"\(point)\"}]}",
    ])
    func refusesWhatIsNoSet(text: String) throws {
        #expect(throws: KeySetError.self) { try KeySet(json: Array(text.utf8)) }
    }

    @Test func isBounded() throws {
        let key = "{\"kty\":\"RSA\"}"
        let many = "{\"keys\":[" + Array(repeating: key, count: 65).joined(separator: ",") + "]}"
        #expect(throws: KeySetError.self) { try KeySet(json: Array(many.utf8)) }
        #expect(throws: KeySetError.self) { try KeySet(json: [UInt8](repeating: 0x20, count: 65_537)) }
    }
}
