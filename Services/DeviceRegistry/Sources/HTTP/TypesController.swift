import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/types`: what is expected of devices.
struct TypesController: Sendable {
    let types: TypeStorage

    var routes: RouteCollection { [list, get, put, patch, delete] }

    private typealias P = RegistryParameters
    private static let name = P.name("name", in: .path, help: "Name of the type.")
    private static let scope = "types"

    private static let metric = Schema.object([
        .init("name", .string), .init("unit", .string, isRequired: false), .init("minimum", .number, isRequired: false),
        .init("maximum", .number, isRequired: false),
    ])
    private static let profile: [Schema.Member] = [
        .init("description", .string, isRequired: false), .init("heartbeat_seconds", .integer, isRequired: false),
        .init("range_policy", .choice(TypeProfile.RangePolicy.allCases.map(\.rawValue)), isRequired: false),
        .init("metrics", .array(metric), isRequired: false), .init("labels", .map(.string), isRequired: false),
    ]
    private static let shape = Schema.object(
        [.init("name", .string), .init("revision", .integer), .init("built_in", .boolean)] + profile
            + [.init("created_at", .formatted("date-time")), .init("updated_at", .formatted("date-time"))])

    private var list: Route {
        Route(
            .get, "/v1/types", summary: "The device types, by name, in pages.", access: .scope(.devicesRead),
            parameters: [P.limit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    schema: .object([.init("types", .array(Self.shape)), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the page behind it, null at the end.")
            ], errors: [.invalidCursor, .unavailable]
        ) { context in
            let limit = try context.value(P.limit)
            let after = try context.value(PageCursor.parameter).map { try PageCursor($0, scope: Self.scope).fields.first ?? "" }
            let found = try await answering { try await types.types(after: after, limit: limit + 1) }
            let next = found.count > limit ? PageCursor(fields: [found[limit - 1].name.text]).text(scope: Self.scope) : nil
            return .json(.object(["types": .array(found.prefix(limit).map(\.json)), "next": next.map { .string($0) } ?? .null]))
        }
    }

    private var get: Route {
        Route(
            .get, "/v1/types/{name}", summary: "One device type.", access: .scope(.devicesRead),
            parameters: [Self.name, Conditions.ifNoneMatch],
            responses: [
                ResponseSpecification(schema: Self.shape, help: "The type; `ETag` is its revision."),
                ResponseSpecification(304, contentType: nil, help: "It still is at the revision that `If-None-Match` names."),
            ], errors: [.typeUnknown, .unavailable]
        ) { context in
            let name = try context.value(Self.name)
            let type = try await answering { try await types.type(name) }
            guard let type else { throw APIError(TypeStorage.unknown(name)) }
            return try Conditions.answer(type.json, revision: type.revision, context)
        }
    }

    private var put: Route {
        Route(
            .put, "/v1/types/{name}", summary: "Makes the type or replaces its profile.", access: .scope(.devicesAdmin),
            parameters: [Self.name, Conditions.ifMatch, Conditions.ifNoneMatch],
            requestBody: BodySpecification(
                schema: .object(Self.profile), limit: 131_072,
                help:
                    "The profile. Bounds are for numbers; `range_policy` says what becomes of readings outside: stored, stored and marked, refused."
            ),
            responses: [
                ResponseSpecification(200, schema: Self.shape, help: "It was there."),
                ResponseSpecification(201, schema: Self.shape, help: "It is new."),
            ], errors: [.existsAlready, .revisionMismatch, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let name = try context.value(Self.name)
            let precondition = try Conditions.writing(context)
            let value = try await context.jsonValue()
            return try await answering {
                let profile = try TypeProfile(value, name: name, isWhole: true)
                let (type, isNew) = try await types.put(name, profile, precondition, by: context.author("replace"))
                var response = Conditions.answer(type.json, status: isNew ? 201 : 200, revision: type.revision)
                if isNew { response.headers["Location"] = "/v1/types/\(name)" }
                return response
            }
        }
    }

    private var patch: Route {
        Route(
            .patch, "/v1/types/{name}", summary: "Changes the members that a merge patch (RFC 7396) names; null gives the default.",
            access: .scope(.devicesAdmin),
            parameters: [Self.name, Conditions.ifMatch],
            requestBody: BodySpecification(
                contentType: "application/merge-patch+json", schema: .map(.any), limit: 131_072, help: "What to change."),
            responses: [ResponseSpecification(schema: Self.shape, help: "The type as it is now.")],
            errors: [.typeUnknown, .revisionMismatch, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let name = try context.value(Self.name)
            let precondition = try Conditions.writing(context)
            let value = try await context.jsonValue()
            return try await answering {
                let type = try await types.patch(name, value, precondition, by: context.author("patch"))
                return Conditions.answer(type.json, revision: type.revision)
            }
        }
    }

    private var delete: Route {
        Route(
            .delete, "/v1/types/{name}", summary: "Removes a type that no device is of.", access: .scope(.devicesAdmin),
            parameters: [Self.name, Conditions.ifMatch],
            responses: [ResponseSpecification(204, contentType: nil, help: "It is gone.")],
            errors: [.typeUnknown, .revisionMismatch, .typeInUse, .typeBuiltIn, .unavailable]
        ) { context in
            let name = try context.value(Self.name)
            let precondition = try Conditions.writing(context)
            try await answering { try await types.delete(name, precondition, by: context.author("delete")) }
            return HTTPResponse(status: 204)
        }
    }
}
