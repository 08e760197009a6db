import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/groups`: devices put together.
struct GroupsController: Sendable {
    let groups: GroupStorage
    let members: GroupMembers
    let search: DeviceSearch
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection { [list, get, put, delete, listMembers, changeMembers] }

    private typealias P = RegistryParameters
    private static let name = P.name("name", in: .path, help: "Name of the group.")
    private static let parent = P.name("parent", in: .query, help: "Groups that lie in this one directly.").optional
    private static let recursive = Parameter.boolean("recursive", help: "Members of the groups that lie in it, too.").defaulting(to: false)

    private static let written: [Schema.Member] = [
        .init("description", .string, isRequired: false), .init("parent", .string, isRequired: false),
        .init("query", .described(.string, "A dynamic group: its members are the devices of which this is true."), isRequired: false),
    ]
    private static let shape = Schema.object(
        [.init("name", .string), .init("revision", .integer)] + written
            + [.init("created_at", .formatted("date-time")), .init("updated_at", .formatted("date-time"))])

    private var list: Route {
        Route(
            .get, "/v1/groups", summary: "The groups, by name, in pages.", access: .scope(.devicesRead),
            parameters: [Self.parent, P.limit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    schema: .object([.init("groups", .array(Self.shape)), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the page behind it, null at the end.")
            ], errors: [.invalidCursor, .unavailable]
        ) { context in
            let limit = try context.value(P.limit)
            let parent = try context.value(Self.parent)
            let scope = "groups:\(parent?.text ?? "")"
            let after = try context.value(PageCursor.parameter).map { try PageCursor($0, scope: scope).fields.first ?? "" }
            let found = try await answering { try await groups.groups(in: parent, after: after, limit: limit + 1) }
            let next = found.count > limit ? PageCursor(fields: [found[limit - 1].name.text]).text(scope: scope) : nil
            return .json(.object(["groups": .array(found.prefix(limit).map(\.json)), "next": next.map { .string($0) } ?? .null]))
        }
    }

    private var get: Route {
        Route(
            .get, "/v1/groups/{name}", summary: "One group.", access: .scope(.devicesRead),
            parameters: [Self.name, Conditions.ifNoneMatch],
            responses: [
                ResponseSpecification(schema: Self.shape, help: "The group; `ETag` is its revision."),
                ResponseSpecification(304, contentType: nil, help: "It still is at the revision that `If-None-Match` names."),
            ], errors: [.groupUnknown, .unavailable]
        ) { context in
            let group = try await existing(try context.value(Self.name))
            return try Conditions.answer(group.json, revision: group.revision, context)
        }
    }

    private var put: Route {
        Route(
            .put, "/v1/groups/{name}", summary: "Makes the group or replaces what a client may write of it.", access: .scope(.devicesWrite),
            parameters: [Self.name, Conditions.ifMatch, Conditions.ifNoneMatch],
            requestBody: BodySpecification(schema: .object(Self.written), limit: 16_384, help: "The group."),
            responses: [
                ResponseSpecification(200, schema: Self.shape, help: "It was there."),
                ResponseSpecification(201, schema: Self.shape, help: "It is new."),
            ],
            errors: [.invalidQuery, .existsAlready, .revisionMismatch, .parentUnknown, .parentLoop, .groupInUse, .unavailable]
                + ErrorCode.documentFaults
        ) { context in
            let name = try context.value(Self.name)
            let precondition = try Conditions.writing(context)
            let value = try await context.jsonValue()
            return try await answering {
                let draft = try GroupDraft(value, name: name)
                if let query = draft.query { _ = try QueryTree.read(query, now: now(), field: "query") }
                let (group, isNew) = try await groups.put(name, draft, precondition, by: context.author("replace"))
                var response = Conditions.answer(group.json, status: isNew ? 201 : 200, revision: group.revision)
                if isNew { response.headers["Location"] = "/v1/groups/\(name)" }
                return response
            }
        }
    }

    private var delete: Route {
        Route(
            .delete, "/v1/groups/{name}", summary: "Removes a group in which no other lies; its devices stay.",
            access: .scope(.devicesWrite),
            parameters: [Self.name, Conditions.ifMatch], responses: [ResponseSpecification(204, contentType: nil, help: "It is gone.")],
            errors: [.groupUnknown, .revisionMismatch, .groupInUse, .unavailable]
        ) { context in
            let name = try context.value(Self.name)
            let precondition = try Conditions.writing(context)
            try await answering { try await groups.delete(name, precondition, by: context.author("delete")) }
            return HTTPResponse(status: 204)
        }
    }

    private var listMembers: Route {
        Route(
            .get, "/v1/groups/{name}/members", summary: "The devices of a group, by id, in pages.", access: .scope(.devicesRead),
            parameters: [Self.name, Self.recursive, P.limit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    schema: .object([.init("devices", .array(DevicesController.shape)), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the page behind it, null at the end.")
            ], errors: [.groupUnknown, .invalidCursor, .unavailable, .databaseBusy]
        ) { context in
            let group = try await existing(try context.value(Self.name))
            let recursive = try context.value(Self.recursive)
            let limit = try context.value(P.limit)
            let scope = "members:\(group.name):\(recursive)"
            var query = DeviceQuery(conditions: try await conditions(group, recursive: recursive))
            if let cursor = try context.value(PageCursor.parameter) {
                let id = try PageCursor(cursor, scope: scope).fields.first ?? ""
                query.after = DeviceQuery.Place(value: id, id: id)
            }
            let whole = query
            let found = try await answering { try await search.page(whole, limit: limit + 1) } ?? []
            let next = found.count > limit ? PageCursor(fields: [found[limit - 1].device.id.text]).text(scope: scope) : nil
            return .json(.object(["devices": .array(found.prefix(limit).map(\.json)), "next": next.map { .string($0) } ?? .null]))
        }
    }

    private var changeMembers: Route {
        Route(
            .post, "/v1/groups/{name}/members", summary: "Takes devices into a static group and out of it, all or none.",
            access: .scope(.devicesWrite),
            parameters: [Self.name],
            requestBody: BodySpecification(
                schema: .object([.init("add", .array(.string), isRequired: false), .init("remove", .array(.string), isRequired: false)]),
                limit: 262_144, help: "Device ids, \(MemberChange.maximumCount) at most."),
            responses: [
                ResponseSpecification(
                    schema: .object([.init("added", .integer), .init("removed", .integer)]), help: "How many came and went.")
            ], errors: [.groupUnknown, .groupDynamic, .namesUnknownDevice, .unavailable] + ErrorCode.documentFaults
        ) { context in
            let name = try context.value(Self.name)
            let value = try await context.jsonValue()
            return try await answering {
                let counts = try await members.change(name, try MemberChange(value), by: context.author("members"))
                return .json(.object(["added": .int(Int64(counts.added)), "removed": .int(Int64(counts.removed))]))
            }
        }
    }

    private func existing(_ name: RegistryName) async throws -> DeviceGroup {
        let group = try await answering { try await groups.group(name) }
        guard let group else { throw APIError(GroupStorage.unknown(name)) }
        return group
    }

    private func conditions(_ group: DeviceGroup, recursive: Bool) async throws -> [SQLFragment] {
        var parts = [GroupMembers.condition(group.name, recursive: recursive)]
        let queries = recursive ? try await answering { try await groups.queries(from: group.name) } : [group.draft.query].compactMap { $0 }
        for query in queries { parts.append(QuerySQL.condition(try QueryTree.read(query, now: now(), field: "query"))) }
        return ["d.deleted_at IS NULL", SQLFragment.any(parts)]
    }
}
