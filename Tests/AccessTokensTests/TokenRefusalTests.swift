import Crypto
import Testing

@testable import AccessTokens

/// Every way around a verifier that is known: RFC 8725 and the attacks that made it necessary.
@Suite struct TokenRefusalTests {
    let forge: TokenForge

    init() throws { forge = try TokenForge() }

    @Test func whatIsRightPasses() throws {
        #expect(forge.refusal(try forge.token()) == nil)
        #expect(forge.refusal(try TokenSigner(forge.p256, id: forge.ecID).sign(TokenForge.claims)) == nil)
        for name in ["jti", "iat", "nbf", "scope"] {
            #expect(forge.refusal(try forge.token(payload: TokenForge.payload(name, nil))) == nil, "\(name) may be missing")
        }
    }

    @Test(arguments: [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "PS256", "ES384", "ES512", "ES256K", "ES256", "EdDSA ",
        "eddsa", "Ed25519", "EdDSA\\u0000",
    ])
    func otherAlgorithmsAreRefused(algorithm: String) throws {
        let header = "{\"alg\":\"\(algorithm)\",\"kid\":\"\(forge.edID)\"}"
        #expect(forge.refusal(try forge.token(header: header)) == .wrongAlgorithm)
        // Unsigned, as `none` wants it.
        let content = Base64URL.encode(header.utf8) + "." + Base64URL.encode(TokenForge.payload.utf8)
        #expect(forge.refusal(content + ".") == .malformed)
        #expect(forge.refusal(content) == .malformed)
    }

    @Test(arguments: ["1", "null", "[\"EdDSA\"]", "{}", "true"])
    func algorithmsThatAreNoTextAreRefused(value: String) throws {
        #expect(forge.refusal(try forge.token(header: "{\"alg\":\(value),\"kid\":\"\(forge.edID)\"}")) != nil)
        #expect(forge.refusal(try forge.token(header: "{\"kid\":\"\(forge.edID)\"}")) == .wrongAlgorithm)
    }

    /// The public key, known to all, used as the secret of an HMAC.
    @Test func publicKeysAreNoSharedSecrets() throws {
        for algorithm in ["HS256", "EdDSA", "ES256"] {
            for key in [forge.ed25519, forge.p256] {
                let id = key === forge.ed25519 ? forge.edID : forge.ecID
                let content =
                    Base64URL.encode("{\"alg\":\"\(algorithm)\",\"kid\":\"\(id)\"}".utf8) + "." + Base64URL.encode(TokenForge.payload.utf8)
                for secret in [try key.publicKey().pem(), try key.publicKey().der(), try key.publicKey().raw()] {
                    let code = HMACSHA256.code(for: Array(content.utf8), key: SymmetricKey(secret))
                    for signature in [code, code + code] {
                        #expect(forge.refusal(content + "." + Base64URL.encode(signature)) != nil)
                    }
                }
            }
        }
    }

    @Test func keysOfAnotherKindAreRefused() throws {
        // The right algorithm of the named key, signed by the other one, and either header with the other's name.
        #expect(forge.refusal(try forge.token(key: forge.p256)) == .wrongSignature)
        let header = "{\"alg\":\"ES256\",\"kid\":\"\(forge.ecID)\"}"
        #expect(forge.refusal(try forge.token(header: header, key: forge.ed25519)) == .wrongSignature)
        #expect(forge.refusal(try forge.token(header: header, key: forge.p256)) == nil)
        #expect(forge.refusal(try forge.token(header: "{\"alg\":\"ES256\",\"kid\":\"\(forge.edID)\"}", key: forge.p256)) == .wrongAlgorithm)
        let stranger = try PrivateKey(.ed25519)
        #expect(forge.refusal(try forge.token(key: stranger)) == .wrongSignature)
        #expect(forge.refusal(try TokenSigner(stranger).sign(TokenForge.claims)) == .unknownKey)
        #expect(forge.refusal(try TokenSigner(stranger, id: forge.edID).sign(TokenForge.claims)) == .wrongSignature)
    }

    @Test(arguments: [
        "", "../../../../dev/null", "/dev/null", "key' OR '1'='1", "second.key_2\\u0000", "second.key_2 ", "SECOND.KEY_2",
        "http://attacker.example/key", "file:///etc/passwd", "second.key_2/../second.key_2", "%73econd.key_2", "*", "\\n", "0",
    ])
    func keyNamesAreNamesOnly(id: String) throws {
        #expect(forge.refusal(try forge.token(header: "{\"alg\":\"ES256\",\"kid\":\"\(id)\"}", key: forge.p256)) == .unknownKey)
    }

    @Test(arguments: ["1", "null", "[\"second.key_2\"]", "{\"$ne\":\"\"}"])
    func keyNamesAreTexts(value: String) throws {
        #expect(forge.refusal(try forge.token(header: "{\"alg\":\"ES256\",\"kid\":\(value)}", key: forge.p256)) != nil)
        #expect(forge.refusal(try forge.token(header: "{\"alg\":\"EdDSA\"}")) == .unknownKey)
    }

    /// A header that brings its own key, or a meaning that nobody here knows.
    @Test(arguments: [
        "\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "\"jku\":\"https://attacker.example/keys\"", "\"x5u\":\"https://attacker.example/c\"", "\"x5c\":[\"MIIB\"]", "\"x5t\":\"AA\"",
        "\"crit\":[\"exp\"]", "\"crit\":[]", "\"zip\":\"DEF\"", "\"b64\":false", "\"enc\":\"A128GCM\"", "\"cty\":\"JWT\"",
        "\"alg\":\"EdDSA\"", "\"\":1", "\"typ\":\"JWE\"", "\"typ\":1", "\"typ\":\"jwt\"",
    ])
    func headersWithMoreAreRefused(member: String) throws {
        #expect(forge.refusal(try forge.token(header: "{\"alg\":\"EdDSA\",\"kid\":\"\(forge.edID)\",\(member)}")) == .malformed)
    }

    @Test(arguments: ["", " ", "[]", "null", "1", "\"x\"", "{", "{}x", "{\"alg\":\"EdDSA\",}", "\u{FEFF}{}", "{\"a\":{\"b\":{\"c\":1}}}"])
    func headersThatAreNoObjectAreRefused(header: String) throws {
        #expect([.malformed, .unknownKey].contains(forge.refusal(try forge.token(header: header))))
    }

    @Test func signaturesCoverEveryByte() throws {
        for (token, name) in [(try forge.token(), "EdDSA"), (try TokenSigner(forge.p256, id: forge.ecID).sign(TokenForge.claims), "ES256")]
        {
            let bytes = Array(token.utf8)
            for index in bytes.indices {
                for replacement in [UInt8(ascii: "A"), UInt8(ascii: "b"), UInt8(ascii: "-")] where bytes[index] != replacement {
                    var changed = bytes
                    changed[index] = replacement
                    #expect(forge.refusal(String(decoding: changed, as: UTF8.self)) != nil, "\(name) byte \(index)")
                }
            }
            #expect(forge.refusal(token) == nil)
        }
    }

    /// The signature of another payload under the same key.
    @Test func partsDoNotMix() throws {
        let (mine, theirs) = (try forge.token(), try forge.token(payload: TokenForge.payload("sub", "\"client:admin\"")))
        let (left, right) = (mine.split(separator: "."), theirs.split(separator: "."))
        #expect(forge.refusal("\(left[0]).\(right[1]).\(left[2])") == .wrongSignature)
        #expect(forge.refusal("\(left[0]).\(left[1]).\(right[2])") == .wrongSignature)
        for token in [
            "\(mine).", ".\(mine)", "\(mine).\(left[2])", "\(left[0]).\(left[1])", "\(left[0])..\(left[2])", "", ".", "..", "a.b.c",
        ] {
            #expect(forge.refusal(token) == .malformed)
        }
        for token in [mine + "=", " " + mine, mine + "\n", mine + "\0", mine.replacing(".", with: ". ")] {
            #expect(forge.refusal(token) == .malformed)
        }
        #expect(forge.refusal("\(left[0]).\(left[1]).AAAA") == .wrongSignature)
        #expect(forge.refusal("\(left[0]).\(left[1])." + Base64URL.encode([UInt8](repeating: 0, count: 64))) == .wrongSignature)
    }

    @Test func longTokensAreNotLookedAt() throws {
        let long = try forge.token(payload: TokenForge.payload("jti", "\"" + String(repeating: "a", count: 4_096) + "\""))
        #expect(forge.refusal(long) == .tooLong)
        #expect(forge.refusal(String(repeating: "a", count: 10_000_000)) == .tooLong)
        #expect(forge.refusal(String(repeating: "[", count: 4_096)) == .malformed)
        let deep = Base64URL.encode(String(repeating: "[", count: 1_000).utf8)
        #expect(forge.refusal("\(deep).\(deep).AAAA") == .malformed)
    }

    /// Seconds from now, the claim, its value; the leeway is 30 s.
    @Test(arguments: [
        ("exp", Int64(-30), TokenRefusal.Reason?.some(.expired)), ("exp", -31, .expired), ("exp", -1_000_000, .expired), ("exp", -29, nil),
        ("exp", 0, nil), ("nbf", 31, .notYetValid), ("nbf", 30, nil), ("nbf", 86_400, .notYetValid), ("iat", 31, .notYetValid),
        ("iat", 30, nil), ("nbf", -86_400, nil), ("iat", -86_400, nil),
    ])
    func timesAreKept(name: String, offset: Int64, expected: TokenRefusal.Reason?) throws {
        let token = try forge.token(payload: TokenForge.payload(name, "\(TokenForge.now + offset)"))
        #expect(forge.refusal(token) == expected)
    }

    @Test(
        arguments: [
            ("exp", nil), ("exp", "null"), ("exp", "\"1999999999\""), ("exp", "1e10"), ("exp", "1999999999.5"), ("exp", "-1"),
            ("exp", "9223372036854775807"), ("exp", "99999999999999999999"), ("exp", "true"), ("exp", "[1999999999]"), ("nbf", "\"0\""),
            ("nbf", "null"), ("nbf", "-9223372036854775808"), ("iat", "{}"), ("iss", nil), ("iss", "1"), ("iss", "\"\""), ("sub", nil),
            ("sub", "\"\""), ("sub", "\"a b\""), ("sub", "\"a\\nb\""), ("sub", "\"\\u0430dmin\""), ("sub", "null"), ("sub", "[\"x\"]"),
            ("aud", nil), ("aud", "[]"), ("aud", "\"\""), ("aud", "[\"api\",1]"), ("aud", "{\"api\":1}"), ("aud", "null"), ("jti", "1"),
            ("jti", "\"\""), ("scope", "[\"devices:read\"]"), ("scope", "1"), ("scope", "\"devices\""), ("scope", "\"devices:*\""),
            ("scope", "\"*:*\""), ("scope", "\"devices:read,devices:write\""), ("scope", "\"Devices:read\""),
            ("scope", "\"devices:read\\u0000\""),
            ("scope", "\"a:b:c\""), ("scope", "null"),
        ] as [(String, String?)])
    func claimsAreReadStrictly(name: String, value: String?) throws {
        #expect(forge.refusal(try forge.token(payload: TokenForge.payload(name, value))) == .malformed)
    }

    @Test(arguments: [
        ("iss", "\"martlet2\"", TokenRefusal.Reason.wrongIssuer), ("iss", "\"Martlet\"", .wrongIssuer),
        ("iss", "\"martlet/\"", .wrongIssuer),
        ("aud", "\"other\"", .wrongAudience), ("aud", "\"API\"", .wrongAudience), ("aud", "[\"other\",\"ap\",\"api2\"]", .wrongAudience),
    ])
    func tokensForOthersAreRefused(name: String, value: String, expected: TokenRefusal.Reason) throws {
        #expect(forge.refusal(try forge.token(payload: TokenForge.payload(name, value))) == expected)
    }

    @Test func oneOfSeveralAudiencesIsEnough() throws {
        #expect(forge.refusal(try forge.token(payload: TokenForge.payload("aud", "[\"other\",\"api\"]"))) == nil)
    }

    @Test(arguments: ["", "[]", "null", "{\"iss\":\"martlet\",\"iss\":\"martlet\"}", "{]", "\u{0}"])
    func payloadsThatAreNoObjectAreRefused(payload: String) throws {
        #expect(forge.refusal(try forge.token(payload: payload)) == .malformed)
    }

    /// exp stands twice: whoever reads the first and whoever reads the last would disagree.
    @Test func claimsStandOnce() throws {
        let payload = TokenForge.payload("jti", "\"1\",\"exp\":9999999999")
        #expect(forge.refusal(try forge.token(payload: payload)) == .malformed)
    }

    @Test func refusalsRepeatNothingOfTheToken() throws {
        let marker = "marker-in-the-token"
        for token in [
            try forge.token(header: "{\"alg\":\"\(marker)\",\"kid\":\"\(forge.edID)\"}"),
            try forge.token(header: "{\"alg\":\"EdDSA\",\"kid\":\"\(marker)\"}"),
            try forge.token(header: "{\"\(marker)\":1,\"\(marker)\":2}"),
            try forge.token(payload: TokenForge.payload("iss", "\"\(marker)\"")),
            try forge.token(payload: TokenForge.payload("aud", "\"\(marker)\"")),
        ] {
            let error = #expect(throws: TokenRefusal.self) { try forge.verifier.verify(token, now: TokenForge.now) }
            #expect(error?.description.contains(marker) == false)
        }
    }
}
