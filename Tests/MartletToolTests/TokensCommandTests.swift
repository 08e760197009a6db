import AccessTokens
import Crypto
import Foundation
import TestSupport
import Testing

@testable import MartletTool

@Suite("The access tokens' commands")
struct TokensCommandTests {
    /// Runs a command line; what it prints goes to the test's own output, so only what it leaves behind is looked at.
    private func run(_ line: String) -> Int32 { Martlet.run(line.split(separator: " ").map(String.init), environment: [:]) }

    private func keySet(_ path: String) throws -> KeySet {
        try KeySet(json: Array(try #require(FileManager.default.contents(atPath: path))))
    }

    private func mode(_ path: String) -> UInt32 {
        var state = stat()
        return stat(path, &state) == 0 ? state.st_mode & 0o777 : 0
    }

    private func issue(_ words: String...) throws -> Arguments {
        guard
            case .run(_, let arguments) = try ArgumentParser(root: Martlet.root, environment: [:])
                .parse(["tokens", "issue", "--private-key", "unused"] + words)
        else { throw SupportError("no run") }
        return arguments
    }

    @Test("a key is made once, for its owner alone, and made known beside others")
    func createKey() async throws {
        try await withTemporaryFolder { folder in
            let (first, second, set) = ("\(folder.path)/1.pem", "\(folder.path)/2.pem", "\(folder.path)/jwks.json")
            #expect(run("tokens create-key --private-key \(first) --key-set \(set)") == 0)
            #expect(mode(first) == 0o600)
            #expect(mode(set) == 0o644)
            let made = try #require(FileManager.default.contents(atPath: first))
            let text = String(decoding: try #require(FileManager.default.contents(atPath: set)), as: UTF8.self)
            #expect(!text.contains("\"d\""), "nothing secret is made known")
            let ids = try keySet(set).ids
            #expect(ids.count == 1)
            #expect(run("tokens create-key --private-key \(first) --key-set \(set)") == 0)
            #expect(FileManager.default.contents(atPath: first) == made)
            #expect(try keySet(set).ids == ids)
            #expect(run("tokens create-key --private-key \(second) --key-set \(set)") == 0)
            #expect(try keySet(set).ids.count == 2)
            #expect(try keySet(set)[ids[0]] != nil)
        }
    }

    @Test("a set with keys that would be lost is left alone")
    func foreignKeys() async throws {
        try await withTemporaryFolder { folder in
            let (key, set) = ("\(folder.path)/1.pem", "\(folder.path)/jwks.json")
            #expect(run("tokens create-key --private-key \(key) --key-set \(set)") == 0)
            let text = String(decoding: try #require(FileManager.default.contents(atPath: set)), as: UTF8.self)
            let mixed = Data(text.replacing("\"keys\":[", with: #""keys":[{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"},"#).utf8)
            for content in [mixed, Data("{".utf8)] {
                try content.write(to: URL(fileURLWithPath: set))
                #expect(run("tokens create-key --private-key \(folder.path)/2.pem --key-set \(set)") == ExitCode.badInput.number)
                #expect(FileManager.default.contents(atPath: set) == content)
            }
        }
    }

    @Test("a token says what was asked for, and services take it")
    func claims() throws {
        let arguments = try issue("--subject", "client:me", "--scopes", "devices:read, telemetry:read", "--valid", "8h")
        let key = try PrivateKey(.ed25519)
        let token = try TokensCommand.token(arguments, PrivateKey(pem: key.pem()), now: 1_000)
        let verifier = TokenVerifier(keys: try KeySet([TokenSigner(key).key]), issuer: "martlet", audience: "martlet")
        let claims = try verifier.verify(token, now: 1_000)
        #expect(claims.subject == "client:me")
        #expect(claims.scopes == [.devicesRead, .telemetryRead])
        #expect(claims.expires == 1_000 + 8 * 3_600)
        #expect(claims.notBefore == 1_000)
        #expect(claims.id != nil)
        #expect(try TokensCommand.token(arguments, key, now: 1_000) != token, "each has an id of its own")
    }

    @Test("what no service would take, and what no route asks for, is not issued")
    func refusals() throws {
        let key = try PrivateKey(.ed25519)
        for (subject, scopes) in [("client:me", "device:read"), ("client:me", "everything"), ("two words", "devices:read")] {
            #expect(throws: (any Error).self, "\(subject) \(scopes)") {
                try TokensCommand.token(try issue("--subject", subject, "--scopes", scopes), key, now: 1)
            }
        }
        #expect(throws: UsageError.self) { try TokensCommand.token(try issue("--subject", "client:me"), key, now: 1) }
        for valid in ["0", "367d", "soon"] {
            #expect(throws: UsageError.self) { try issue("--subject", "a", "--scopes", "devices:read", "--valid", valid) }
        }
        let error = #expect(throws: UsageError.self) {
            try TokensCommand.token(try issue("--subject", "a", "--scopes", "device:read"), key, now: 1)
        }
        #expect(error?.description.contains("did you mean devices:read?") == true)
    }

    @Test("a private key that others can read is refused, and so is one that is none")
    func unsafeKeys() async throws {
        try await withTemporaryFolder { folder in
            let key = "\(folder.path)/1.pem"
            #expect(run("tokens create-key --private-key \(key) --key-set \(folder.path)/jwks.json") == 0)
            let words = "tokens issue --private-key \(key) --subject client:me --scopes devices:read"
            #expect(run(words) == 0)
            #expect(run("tokens key-set --private-key \(key)") == 0)
            chmod(key, 0o644)
            #expect(run(words) == ExitCode.badInput.number)
            try Data("no key".utf8).write(to: URL(fileURLWithPath: key))
            chmod(key, 0o600)
            #expect(run(words) == ExitCode.badInput.number)
            #expect(run("tokens key-set --private-key \(key)") == ExitCode.badInput.number)
        }
    }
}
