import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/tokens`, `/v1/devices/{id}/tokens` and `/v1/jwks`: access tokens, and the keys that they are verified with.
struct TokensController: Sendable {
    /// Nil without a key: no tokens are issued.
    let desk: TokenDesk?
    let gate: MQTTGate
    let database: RegistryDatabase

    var routes: RouteCollection { [issue, issueToDevice, keys] }

    private typealias P = RegistryParameters

    private static let shape = Schema.object([
        .init("access_token", .string), .init("token_type", .choice(["Bearer"])), .init("expires_in", .integer), .init("subject", .string),
        .init("scope", .string), .init("id", .string),
    ])
    private static let shown = ResponseSpecification(
        201, schema: shape, help: "The token; it ends after `expires_in` seconds, which may be less than was asked for.")

    private var issue: Route {
        Route(
            .post, "/v1/tokens", summary: "A token for a person or a program, with scopes that the caller has itself.",
            access: .scope(.tokensWrite),
            requestBody: BodySpecification(
                schema: .object([
                    .init("subject", .string), .init("scope", .string, isRequired: false), .init("seconds", .integer, isRequired: false),
                ]), limit: 8_192, help: "For whom (`client:…`, `person:…`), what it allows (scopes with spaces between), for how long."),
            responses: [Self.shown], errors: [.noTokenKey, .scopeNotHeld, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue(maximumDepth: 2)
            return try await answering {
                let desk = try required()
                let draft = try TokenDraft(value)
                let end = try Self.end(of: context.principal, for: draft)
                return Self.answer(try await desk.issue(draft, until: end, database, by: context.author("issue")))
            }
        }
    }

    private var issueToDevice: Route {
        Route(
            .post, "/v1/devices/{id}/tokens", summary: "A token for the device, which shows a signature by its secret.", access: .open,
            parameters: [P.device],
            requestBody: BodySpecification(
                schema: .object([.init("password", .string), .init("seconds", .integer, isRequired: false)]), limit: 1_024,
                help: "`password` as for the broker: `sign=…&timestamp=…`."),
            responses: [Self.shown], errors: [.noTokenKey, .credentialRefused, .notCurrent] + ErrorCode.documentFaults
        ) { context in
            let id = try context.value(P.device)
            let value = try await context.jsonValue(maximumDepth: 2)
            return try await answering {
                let desk = try required()
                let reader = try ObjectReader(value, known: ["password", "seconds"])
                _ = try reader.required("password")
                let password = try reader.text("password", maximumBytes: DeviceSignature.longest) ?? ""
                let seconds = try reader.integer("seconds", in: 1...TokenDraft.longest) ?? TokenDesk.usual
                switch gate.admitBySignature(id, password) {
                case .success(let admission): return Self.answer(try desk.issue(to: admission, lasting: seconds))
                case .failure(let refused) where refused.reason == .notCurrent:
                    throw APIError(.notCurrent, headers: ["Retry-After": "1"])
                case .failure: throw APIError(.credentialRefused, field: "password")
                }
            }
        }
    }

    private var keys: Route {
        Route(
            .get, "/v1/jwks", summary: "The public keys that the registry's tokens are verified with (RFC 7517).", access: .open,
            responses: [ResponseSpecification(contentType: "application/jwk-set+json", schema: .any, help: "A JSON Web Key Set.")],
            errors: [.noTokenKey]
        ) { _ in
            var response = HTTPResponse.bytes(try required().settings.keys.json(), type: "application/jwk-set+json")
            response.headers["Cache-Control"] = "max-age=300"
            return response
        }
    }

    private func required() throws(APIError) -> TokenDesk {
        guard let desk else { throw APIError(.noTokenKey, "this registry issues no tokens; set tokens.key") }
        return desk
    }

    /// When the caller's own token ends.
    /// - Throws: 403 when a scope is asked for that the caller does not have.
    private static func end(of principal: Principal, for draft: TokenDraft) throws(APIError) -> Int64? {
        guard case .holder(let claims) = principal else { return nil }
        let missing = draft.scopes.subtracting(claims.scopes).map(\.description).sorted()
        guard missing.isEmpty else {
            throw APIError(.scopeNotHeld, "you have no \(missing.joined(separator: ", ")) to give away", field: "scope")
        }
        return claims.expires
    }

    private static func answer(_ token: IssuedToken) -> HTTPResponse {
        var response = HTTPResponse.json(token.json, status: 201)
        response.headers["Cache-Control"] = "no-store"
        return response
    }
}
