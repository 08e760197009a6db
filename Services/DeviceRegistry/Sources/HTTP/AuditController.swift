import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/audit`: who changed what, and when.
struct AuditController: Sendable {
    let log: AuditLog
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection { [list] }

    private typealias P = RegistryParameters
    private static let kind = Parameter.choice(
        "kind", of: ["device", "type", "group", "member", "credential", "certificate", "claim", "enrolment", "token", "import"],
        help: "What was changed."
    )
    .optional
    private static let key = Parameter.string("key", maxLength: 128, help: "Id or name of what was changed.").optional
    private static let device = P.device("device", in: .query, help: "Changes of this device, as `kind=device&key=`.").optional
    private static let actor = Parameter.string("actor", maxLength: 256, help: "Who changed it.").optional
    private static let from = P.time("from", help: "Changes from then on.")
    private static let to = P.time("to", help: "Changes before then.")

    private var list: Route {
        Route(
            .get, "/v1/audit", summary: "Changes, newest first, in pages: who, what, before and after.", access: .scope(.auditRead),
            parameters: [Self.kind, Self.key, Self.device, Self.actor, Self.from, Self.to, P.limit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    schema: .object([.init("entries", .array(.map(.any))), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the older page, null at the end.")
            ], errors: [.invalidCursor, .unavailable, .databaseBusy]
        ) { context in
            let limit = try context.value(P.limit)
            var query = AuditQuery(
                kind: try context.value(Self.kind), key: try context.value(Self.key), actor: try context.value(Self.actor),
                from: try time(Self.from, context), to: try time(Self.to, context))
            if let device = try context.value(Self.device) { (query.kind, query.key) = ("device", device.text) }
            if let cursor = try context.value(PageCursor.parameter) {
                guard let id = try PageCursor(cursor, scope: "audit").fields.first.flatMap({ Int64($0) }) else {
                    throw APIError(.invalidCursor, field: "cursor")
                }
                query.before = id
            }
            let whole = query
            let found = try await answering { try await log.entries(whole, limit: limit + 1) }
            let next = found.count > limit ? PageCursor(fields: ["\(found[limit - 1].id)"]).text(scope: "audit") : nil
            return .json(.object(["entries": .array(found.prefix(limit).map(\.json)), "next": next.map { .string($0) } ?? .null]))
        }
    }

    private func time(_ parameter: Parameter<String?>, _ context: RequestContext) throws -> Timestamp? {
        try context.value(parameter).flatMap { TimeExpression.parse($0, now: now()) }
    }
}
