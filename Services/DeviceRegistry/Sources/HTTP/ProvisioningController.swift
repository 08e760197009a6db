import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/claims`, `/v1/enrolments`: how operators let devices in that have no credential yet.
struct ProvisioningController: Sendable {
    let desk: ProvisioningDesk

    var routes: RouteCollection { [issueClaim, listClaims, revokeClaim, openEnrolment, listEnrolments, revokeEnrolment] }

    private typealias P = RegistryParameters

    private static func id(_ name: String) -> Parameter<CredentialID> {
        Parameter<CredentialID>(name, in: .path, allowed: CredentialID.allowed, help: "Its id.") { text throws(ParameterFault) in
            guard let id = CredentialID(text) else { throw ParameterFault("must be \(CredentialID.allowed)") }
            return id
        }
    }
    private static let claim = id("claim")
    private static let enrolment = id("enrolment")

    private static let claimShape = Schema.object([
        .init("id", .string), .init("device", .string, isRequired: false), .init("pattern", .string, isRequired: false),
        .init("template", .map(.any)), .init("state", .choice(Claim.State.allCases.map(\.rawValue))),
        .init("note", .string, isRequired: false), .init("created_at", .formatted("date-time")),
        .init("expires_at", .formatted("date-time")), .init("ended_at", .formatted("date-time"), isRequired: false),
        .init("used_by", .string, isRequired: false),
    ])
    private static let enrolmentMembers: [Schema.Member] = [
        .init("id", .string), .init("pattern", .string), .init("template", .map(.any)),
        .init("state", .choice(Enrolment.State.allCases.map(\.rawValue))), .init("note", .string, isRequired: false),
        .init("quota", .integer), .init("used", .integer), .init("created_at", .formatted("date-time")),
        .init("expires_at", .formatted("date-time"), isRequired: false), .init("ended_at", .formatted("date-time"), isRequired: false),
    ]

    private var issueClaim: Route {
        Route(
            .post, "/v1/claims", summary: "A token by which one device registers itself, once; it is shown this once.",
            access: .scope(.credentialsWrite),
            requestBody: BodySpecification(
                schema: .object([
                    .init("device", .string, isRequired: false), .init("pattern", .string, isRequired: false),
                    .init("template", .map(.any)), .init("seconds", .integer, isRequired: false), .init("note", .string, isRequired: false),
                ]), limit: 65_536, help: "For which id (`device`, or `pattern`), what the device is like, for how long (900 s)."),
            responses: [
                ResponseSpecification(
                    201, schema: .object([.init("claim", Self.claimShape), .init("token", .string)]),
                    help: "The claim and its token. Nobody can read the token again.")
            ],
            errors: [.noMasterKey, .namesUnknownType, .tooManyClaims, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue()
            return try await answering {
                let (claim, token) = try await desk.issue(try ClaimDraft(value), by: context.author("issue"))
                return .secret(.object(["claim": claim.json, "token": .string(token.text)]))
            }
        }
    }

    private var listClaims: Route {
        list("/v1/claims", "claims", "The claims, the newest first, in pages; without their tokens.", Self.claimShape) { before, limit in
            try await desk.claims(before: before, limit: limit).map { ($0.createdAt, $0.id, $0.json) }
        }
    }

    private var revokeClaim: Route {
        Route(
            .post, "/v1/claims/{claim}:revoke", summary: "Takes a claim back that was not used.", access: .scope(.credentialsWrite),
            parameters: [Self.claim],
            responses: [ResponseSpecification(schema: Self.claimShape, help: "The claim; one that was used stays used.")],
            errors: [.claimUnknown, .unavailable]
        ) { context in
            let id = try context.value(Self.claim)
            return try await answering { .json(try await desk.revokeClaim(id, by: context.author("revoke")).json) }
        }
    }

    private var openEnrolment: Route {
        Route(
            .post, "/v1/enrolments", summary: "A key by which a group of devices registers itself; it is shown this once.",
            access: .scope(.credentialsWrite),
            requestBody: BodySpecification(
                schema: .object([
                    .init("pattern", .string), .init("template", .map(.any)), .init("quota", .integer),
                    .init("expires_at", .formatted("date-time"), isRequired: false), .init("note", .string, isRequired: false),
                ]), limit: 65_536, help: "For which ids, what the devices are like, how many at most."),
            responses: [
                ResponseSpecification(
                    201, schema: .object(Self.enrolmentMembers + [.init("key", .string)]),
                    help: "The enrolment with its key. Nobody can read the key again.")
            ],
            errors: [.noMasterKey, .namesUnknownType, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue()
            return try await answering {
                let draft = try EnrolmentDraft(value, now: desk.now())
                let (enrolment, key) = try await desk.open(draft, by: context.author("open"))
                return .secret(.object(enrolment.members + [.init(name: "key", value: .string(key))]))
            }
        }
    }

    private var listEnrolments: Route {
        list(
            "/v1/enrolments", "enrolments", "The enrolments, the newest first, in pages; without their keys.",
            .object(Self.enrolmentMembers)
        ) { before, limit in
            try await desk.enrolments(before: before, limit: limit).map { ($0.createdAt, $0.id, $0.json) }
        }
    }

    private var revokeEnrolment: Route {
        Route(
            .post, "/v1/enrolments/{enrolment}:revoke", summary: "Ends an enrolment: no proof by its key is taken any more.",
            access: .scope(.credentialsWrite),
            parameters: [Self.enrolment],
            responses: [ResponseSpecification(schema: .object(Self.enrolmentMembers), help: "The enrolment; its devices stay.")],
            errors: [.enrolmentUnknown, .unavailable]
        ) { context in
            let id = try context.value(Self.enrolment)
            return try await answering { .json(try await desk.revokeEnrolment(id, by: context.author("revoke")).json) }
        }
    }

    /// Pages in the order of making, backwards.
    private func list(
        _ path: String, _ name: String, _ summary: String, _ shape: Schema,
        _ find: @escaping @Sendable ((Timestamp, CredentialID)?, Int) async throws -> [(Timestamp, CredentialID, JSONValue)]
    ) -> Route {
        Route(
            .get, path, summary: summary, access: .scope(.credentialsRead), parameters: [P.limit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    schema: .object([.init(name, .array(shape)), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the older page, null at the end.")
            ], errors: [.invalidCursor, .unavailable]
        ) { context in
            let limit = try context.value(P.limit)
            var before: (Timestamp, CredentialID)?
            if let cursor = try context.value(PageCursor.parameter) {
                let fields = try PageCursor(cursor, scope: name).fields
                guard fields.count == 2, let time = Int64(fields[0]), PageCursor.times.contains(time),
                    let id = CredentialID(fields[1])
                else {
                    throw APIError(.invalidCursor, field: "cursor")
                }
                before = (Timestamp(microseconds: time), id)
            }
            let place = before
            let found = try await answering { try await find(place, limit + 1) }
            let last = found.count > limit ? found[limit - 1] : nil
            let next = last.map { PageCursor(fields: ["\($0.0.microseconds)", $0.1.text]).text(scope: name) }
            let members: [JSONValue.Member] = [
                .init(name: name, value: .array(found.prefix(limit).map(\.2))),
                .init(name: "next", value: next.map { .string($0) } ?? .null),
            ]
            return .json(.object(members))
        }
    }
}

extension HTTPResponse {
    /// Something that is shown once and belongs into no cache.
    static func secret(_ value: JSONValue) -> HTTPResponse {
        var response = json(value, status: 201)
        response.headers["Cache-Control"] = "no-store"
        return response
    }
}
