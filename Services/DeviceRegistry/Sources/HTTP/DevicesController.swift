import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/devices/{id}`: one device.
struct DevicesController: Sendable {
    let changes: DeviceChanges
    let search: DeviceSearch

    var routes: RouteCollection {
        [create, put, get, patch, patchFacts, delete, purge]
            + RouteCollection([step("activate", .active), step("suspend", .suspended), step("retire", .retired)])
    }

    private typealias P = RegistryParameters

    static let document = Schema.object([
        .init("id", .string), .init("type", .string), .init("lifecycle", .choice(Lifecycle.allCases.map(\.rawValue)), isRequired: false),
        .init("name", .string, isRequired: false), .init("model", .string, isRequired: false),
        .init("firmware", .string, isRequired: false),
        .init(
            "location",
            .object([
                .init("latitude", .number, isRequired: false), .init("longitude", .number, isRequired: false),
                .init("altitude", .number, isRequired: false), .init("place", .string, isRequired: false),
            ]), isRequired: false),
        .init("labels", .map(.string), isRequired: false), .init("attributes", .map(.any), isRequired: false),
        .init("parent", .string, isRequired: false),
    ])

    static let shape = Schema.object([
        .init("id", .string), .init("revision", .integer), .init("type", .string),
        .init("lifecycle", .choice(Lifecycle.allCases.map(\.rawValue))), .init("status", .choice(DeviceStatus.allCases.map(\.rawValue))),
        .init("status_since", .formatted("date-time"), isRequired: false), .init("status_version", .integer),
        .init("last_seen", .formatted("date-time"), isRequired: false), .init("labels", .map(.string)), .init("attributes", .map(.any)),
        .init("facts", .map(.any)), .init("registered_at", .formatted("date-time")), .init("updated_at", .formatted("date-time")),
    ])

    private static let body = BodySpecification(
        schema: document, limit: 131_072,
        help: "The device. What the registry keeps (revision, status, facts, …) may stand in it and is not read.")
    private static let mergePatch = "application/merge-patch+json"

    private var create: Route {
        Route(
            .post, "/v1/devices", summary: "Registers a device under the id in the body.", access: .scope(.devicesWrite),
            requestBody: Self.body,
            responses: [
                ResponseSpecification(201, schema: Self.shape, help: "The device; `Location` and `ETag` tell where and which revision.")
            ],
            errors: [.alreadyExists, .deleted, .namesUnknownType, .parentUnknown, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue()
            return try await answering {
                let id = try DeviceDraft.id(of: value)
                let draft = try DeviceDraft(value, id: id, isWhole: true)
                do {
                    let change = try await changes.create(id, draft, by: context.author("create"))
                    return Self.answer(change)
                } catch let refusal as Refusal where refusal.code == .alreadyExists {
                    throw APIError(.alreadyExists, refusal.reason + "; PUT /v1/devices/\(id) replaces it", field: "id")
                }
            }
        }
    }

    private var put: Route {
        Route(
            .put, "/v1/devices/{id}", summary: "Registers the device or replaces what a client may write of it.",
            access: .scope(.devicesWrite),
            parameters: [P.device, Conditions.ifMatch, Conditions.ifNoneMatch], requestBody: Self.body,
            responses: [
                ResponseSpecification(200, schema: Self.shape, help: "It was there; `ETag` tells whether the revision rose."),
                ResponseSpecification(201, schema: Self.shape, help: "It is new."),
            ],
            errors: [
                .existsAlready, .revisionMismatch, .deleted, .namesUnknownType, .parentUnknown, .parentLoop, .lifecycleConflict,
                .unavailable,
            ] + ErrorCode.documentFaults
        ) { context in
            let id = try context.value(P.device)
            let precondition = try Conditions.writing(context)
            let value = try await context.jsonValue()
            return try await answering {
                let draft = try DeviceDraft(value, id: id, isWhole: true)
                return Self.answer(try await changes.put(id, draft, precondition, by: context.author("replace")))
            }
        }
    }

    private var get: Route {
        Route(
            .get, "/v1/devices/{id}", summary: "One device.", access: .scope(.devicesRead), parameters: [P.device, Conditions.ifNoneMatch],
            responses: [
                ResponseSpecification(schema: Self.shape, help: "The device; `ETag` is its revision."),
                ResponseSpecification(304, contentType: nil, help: "It still is at the revision that `If-None-Match` names."),
            ], errors: [.deviceUnknown, .unavailable]
        ) { context in
            let id = try context.value(P.device)
            let stored = try await answering { try await search.device(id) }
            guard let stored else { throw APIError(DeviceChanges.unknown(id)) }
            guard stored.device.deletedAt == nil else {
                throw APIError(.deviceUnknown, "device \(id) was deleted; GET /v1/devices?deleted=only lists such", field: "id")
            }
            return try Conditions.answer(stored.json, revision: stored.device.revision, context)
        }
    }

    private var patch: Route {
        Route(
            .patch, "/v1/devices/{id}", summary: "Changes the members that a merge patch (RFC 7396) names; null removes one.",
            access: .scope(.devicesWrite),
            parameters: [P.device, Conditions.ifMatch],
            requestBody: BodySpecification(contentType: Self.mergePatch, schema: .map(.any), limit: 131_072, help: "What to change."),
            responses: [ResponseSpecification(schema: Self.shape, help: "The device as it is now.")], errors: Self.changeErrors
        ) { context in
            let id = try context.value(P.device)
            let precondition = try Conditions.writing(context)
            let value = try await context.jsonValue()
            return try await answering { Self.answer(try await changes.patch(id, value, precondition, by: context.author("patch"))) }
        }
    }

    private var patchFacts: Route {
        Route(
            .patch, "/v1/devices/{id}/facts", summary: "Changes what the device reports about itself, by merge patch.",
            access: .scopeOrDevice(.devicesWrite, parameter: "id"),
            parameters: [P.device, Conditions.ifMatch],
            requestBody: BodySpecification(contentType: Self.mergePatch, schema: .map(.any), limit: 131_072, help: "What to change."),
            responses: [ResponseSpecification(schema: Self.shape, help: "The device as it is now.")],
            errors: [.deviceUnknown, .revisionMismatch, .deleted, .credentialEnded, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let id = try context.value(P.device)
            let precondition = try Conditions.writing(context)
            let value = try await context.jsonValue()
            return try await answering { Self.answer(try await changes.patchFacts(id, value, precondition, by: context.author("facts"))) }
        }
    }

    private var delete: Route {
        Route(
            .delete, "/v1/devices/{id}", summary: "Deletes the device softly: its row and its id are kept until it is purged.",
            access: .scope(.devicesWrite),
            parameters: [P.device, Conditions.ifMatch],
            responses: [ResponseSpecification(204, contentType: nil, help: "It is deleted, or was already.")],
            errors: [.deviceUnknown, .revisionMismatch, .unavailable]
        ) { context in
            let id = try context.value(P.device)
            let precondition = try Conditions.writing(context)
            try await answering { try await changes.delete(id, precondition, by: context.author("delete")) }
            return HTTPResponse(status: 204)
        }
    }

    private var purge: Route {
        Route(
            .post, "/v1/devices/{id}:purge", summary: "Removes a deleted or retired device for good and frees its id.",
            access: .scope(.devicesAdmin),
            parameters: [P.device, Conditions.ifMatch], responses: [ResponseSpecification(204, contentType: nil, help: "It is gone.")],
            errors: [.deviceUnknown, .revisionMismatch, .notDeleted, .hasChildren, .unavailable]
        ) { context in
            let id = try context.value(P.device)
            let precondition = try Conditions.writing(context)
            try await answering { try await changes.purge(id, precondition, by: context.author("purge")) }
            return HTTPResponse(status: 204)
        }
    }

    private func step(_ action: String, _ lifecycle: Lifecycle) -> Route {
        Route(
            .post, "/v1/devices/{id}:\(action)", summary: "Makes the device \(lifecycle.rawValue).", access: .scope(.devicesWrite),
            parameters: [P.device, Conditions.ifMatch],
            responses: [ResponseSpecification(schema: Self.shape, help: "The device as it is now.")],
            errors: [.deviceUnknown, .revisionMismatch, .deleted, .lifecycleConflict, .unavailable]
        ) { context in
            let id = try context.value(P.device)
            let precondition = try Conditions.writing(context)
            return try await answering { Self.answer(try await changes.move(id, to: lifecycle, precondition, by: context.author(action))) }
        }
    }

    private static let changeErrors: [ErrorCode] =
        [.deviceUnknown, .revisionMismatch, .deleted, .namesUnknownType, .parentUnknown, .parentLoop, .lifecycleConflict, .unavailable]
        + ErrorCode.documentFaults

    private static func answer(_ change: DeviceChange) -> HTTPResponse {
        let isNew = change.outcome == .created
        let device = change.stored.device
        var response = Conditions.answer(change.stored.json, status: isNew ? 201 : 200, revision: device.revision)
        if isNew { response.headers["Location"] = "/v1/devices/\(device.id)" }
        return response
    }
}
