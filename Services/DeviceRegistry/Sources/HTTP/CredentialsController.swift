import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/devices/{id}/credentials`: the secrets of a device.
struct CredentialsController: Sendable {
    let desk: CredentialDesk
    let terms: SignatureTerms

    var routes: RouteCollection { [issue, list, revoke] }

    private typealias P = RegistryParameters

    private static let credential = Parameter<CredentialID>(
        "credential", in: .path, allowed: CredentialID.allowed, help: "Id of the credential."
    ) { text throws(ParameterFault) in
        guard let id = CredentialID(text) else { throw ParameterFault("must be \(CredentialID.allowed)") }
        return id
    }

    private static let members: [Schema.Member] = [
        .init("id", .string), .init("device", .string), .init("kind", .choice(StoredCredential.Kind.allCases.map(\.rawValue))),
        .init("state", .choice(StoredCredential.State.allCases.map(\.rawValue))), .init("note", .string, isRequired: false),
        .init("not_before", .formatted("date-time")), .init("not_after", .formatted("date-time"), isRequired: false),
        .init("created_at", .formatted("date-time")), .init("revoked_at", .formatted("date-time"), isRequired: false),
        .init("last_used_at", .formatted("date-time"), isRequired: false),
    ]
    private static let shape = Schema.object(members)

    private var issue: Route {
        Route(
            .post, "/v1/devices/{id}/credentials", summary: "Gives the device a secret, which is shown this once; those it has stay.",
            access: .scope(.credentialsWrite),
            parameters: [P.device],
            requestBody: BodySpecification(
                schema: .object([
                    .init("kind", .choice(StoredCredential.Kind.allCases.map(\.rawValue)), isRequired: false),
                    .init("note", .string, isRequired: false), .init("not_before", .formatted("date-time"), isRequired: false),
                    .init("not_after", .formatted("date-time"), isRequired: false),
                ]), limit: 4_096, help: "What it is for and how long it holds; `{}` from now until it is revoked."),
            responses: [
                ResponseSpecification(
                    201, schema: .object(Self.members + [.init("product_key", .string), .init("secret", .string)]),
                    help: "The credential with its secret. Nobody can read the secret again.")
            ],
            errors: [.deviceUnknown, .barred, .tooManyCredentials, .noMasterKey, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let id = try context.value(P.device)
            let value = try await context.jsonValue()
            return try await answering {
                let draft = try CredentialDraft(value, now: desk.now())
                let (credential, secret) = try await desk.issue(draft, to: id, by: context.author("issue"))
                let shown: [JSONValue.Member] = [
                    .init(name: "product_key", value: .string(terms.productKey)), .init(name: "secret", value: .string(secret.text)),
                ]
                var response = HTTPResponse.json(.object(credential.members + shown), status: 201)
                response.headers["Cache-Control"] = "no-store"
                return response
            }
        }
    }

    private var list: Route {
        Route(
            .get, "/v1/devices/{id}/credentials", summary: "Credentials of the device, the newest first, without their secrets.",
            access: .scope(.credentialsRead),
            parameters: [P.device],
            responses: [ResponseSpecification(schema: .object([.init("credentials", .array(Self.shape))]), help: "At most 1,000.")],
            errors: [.deviceUnknown, .unavailable]
        ) { context in
            let id = try context.value(P.device)
            let found = try await answering { try await desk.list(id) }
            return .json(.object(["credentials": .array(found.map(\.json))]))
        }
    }

    private var revoke: Route {
        Route(
            .post, "/v1/devices/{id}/credentials/{credential}:revoke",
            summary: "Revokes a credential: within a second the broker is told no.", access: .scope(.credentialsWrite),
            parameters: [P.device, Self.credential],
            responses: [ResponseSpecification(schema: Self.shape, help: "The credential, revoked now or before.")],
            errors: [.credentialUnknown, .unavailable]
        ) { context in
            let (id, credential) = (try context.value(P.device), try context.value(Self.credential))
            return try await answering { .json(try await desk.revoke(credential, of: id, by: context.author("revoke")).json) }
        }
    }
}
