import AccessTokens
import Crypto
import Files
import Foundation
import JSON
import Spelling

/// `martlet tokens`
enum TokensCommand {
    static let privateKey = Option<String>.file("private-key", help: "The key that signs; nobody else may read the file.")
    static let keySet = Option<String>.file(
        "key-set", help: "The public half as a JSON Web Key Set: what services verify with (`auth.jwks`).")
    static let subject = Option<String>("subject", "NAME", help: "Whom the token speaks for: client:importer, device:pump-7.")
    static let scopes = Option<String>(
        "scopes", "LIST", help: "What it allows, with commas between: \(Scope.known.map(\.description).joined(separator: ", ")).")
    static let audience = Option<String>("audience", "NAME", default: "martlet", help: "Which services it is for (`auth.audience`).")
    static let issuer = Option<String>("issuer", "NAME", default: "martlet", help: "Who issues it (`auth.issuer`).")
    static let validity = Option<Seconds>("valid", "TIME", default: Seconds(3_600), help: "How long it holds: 15m, 8h, 90d.") { time in
        (1...366 * 86_400).contains(time.value) ? nil : "between 1s and 366d"
    }

    static let command = Command(
        name: "tokens", summary: "make the key that access tokens are signed with, and tokens",
        subcommands: [
            Command(
                name: "create-key", summary: "make a key for access tokens, in two files",
                discussion:
                    "Safe to repeat: a private key that is there stays. Its public half joins the keys that are in the set already, so "
                    + "that a new key can be made known before tokens are signed with it.",
                examples: [.init("martlet tokens create-key --private-key token.pem --key-set jwks.json", "Ed25519")],
                options: [privateKey.declaration, keySet.declaration], run: createKey),
            Command(
                name: "issue", summary: "print an access token",
                examples: [
                    .init(
                        "martlet tokens issue --private-key token.pem --subject client:me --scopes devices:read,telemetry:read",
                        "for an hour; send it as Authorization: Bearer"),
                    .init(
                        "martlet tokens issue --private-key token.pem --subject client:importer --scopes devices:admin --valid 90d",
                        "for a program"),
                ],
                options: [
                    privateKey.declaration, subject.declaration, scopes.declaration, validity.declaration, audience.declaration,
                    issuer.declaration,
                ], run: issue),
            Command(
                name: "key-set", summary: "print the public half of a key as a JSON Web Key Set",
                examples: [
                    .init("martlet tokens key-set --private-key token.pem", "a set of this one key: whatever else was in it is retired")
                ],
                options: [privateKey.declaration], run: printKeySet),
        ])

    static func createKey(_ arguments: Arguments) throws -> ExitCode {
        let path = try arguments.value(privateKey)
        let publicPath = try arguments.value(keySet)
        let output = OutputLines()
        try explained {
            let wasThere = FileManager.default.fileExists(atPath: path)
            if !wasThere { try DurableFile.create(path, try PrivateKey(.ed25519).pem(), mode: 0o600) }
            let key = try TokenSigner(PrivateKey(pem: try SecretFile.read(path))).key
            let others = try keys(inFile: publicPath).filter { $0.id != key.id }
            try DurableFile.replace(publicPath, try KeySet(others + [key]).json())
            _ = try output.write("\(path): \(wasThere ? "was there" : "made")")
            _ = try output.write(
                "\(publicPath): key \(key.id)" + (others.isEmpty ? "" : " beside \(others.map(\.id).joined(separator: ", "))"))
        }
        return .success
    }

    /// The keys of a set; none when there is no file. What cannot be kept is not written over.
    private static func keys(inFile path: String) throws -> [TokenKey] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let bytes = try BoundedFile.read(path, limit: KeySet.longest)
        let set = try KeySet(json: bytes)
        guard try JSONReader.parse(bytes, maximumDepth: 6)["keys"]?.arrayValue?.count == set.ids.count else {
            throw ToolError(.badInput, "“\(path)” holds keys of other kinds than Ed25519 and P-256 with a kid: put the new one in by hand")
        }
        return try set.ids.compactMap { id in try set[id].map { try TokenKey($0, id: id) } }
    }

    static func issue(_ arguments: Arguments) throws -> ExitCode {
        let path = try arguments.value(privateKey)
        try explained {
            let key = try PrivateKey(pem: try SecretFile.read(path))
            _ = try OutputLines().write(try token(arguments, key, now: Int64(Date().timeIntervalSince1970)))
        }
        return .success
    }

    /// - Parameter now: seconds since the Unix epoch.
    static func token(_ arguments: Arguments, _ key: PrivateKey, now: Int64) throws -> String {
        let audience = try arguments.value(audience)
        let claims = AccessClaims(
            issuer: try arguments.value(issuer), subject: try arguments.value(subject), audience: [audience],
            expires: now + Int64(try arguments.value(validity).value.rounded(.up)), notBefore: now, issuedAt: now,
            id: UUID().uuidString.lowercased(), scopes: try scopes(arguments))
        let signer = try TokenSigner(key)
        let token = try signer.sign(claims)
        // What no service would take is not handed out.
        _ = try TokenVerifier(keys: KeySet([signer.key]), issuer: claims.issuer, audience: audience).verify(token, now: now)
        return token
    }

    private static func scopes(_ arguments: Arguments) throws -> Set<Scope> {
        var list: Set<Scope> = []
        for word in try arguments.value(scopes).split(whereSeparator: { $0 == "," || $0 == " " }) {
            guard let scope = Scope(word), Scope.known.contains(scope) else {
                let names = Scope.known.map(\.description)
                let hint =
                    NearestName.among(names, to: String(word)).map { "did you mean \($0)?" } ?? "known are \(names.joined(separator: ", "))"
                throw UsageError(arguments.command, "--scopes: no route asks for '\(word)'; \(hint)")
            }
            list.insert(scope)
        }
        return list
    }

    static func printKeySet(_ arguments: Arguments) throws -> ExitCode {
        let path = try arguments.value(privateKey)
        try explained {
            let key = try TokenSigner(PrivateKey(pem: try SecretFile.read(path))).key
            _ = try OutputLines().write(String(decoding: try KeySet([key]).json().dropLast(), as: UTF8.self))
        }
        return .success
    }

    private static func explained(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as ToolError {
            throw error
        } catch let error as UsageError {
            throw error
        } catch let error as TokenRefusal {
            throw ToolError(.badInput, "no service would take the token: \(error.detail)")
        } catch {
            throw ToolError(.badInput, "\(error)")
        }
    }
}
