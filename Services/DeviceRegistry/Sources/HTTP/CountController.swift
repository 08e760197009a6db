import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `GET /v1/devices:count`.
struct CountController: Sendable {
    let search: DeviceSearch
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection { [count] }

    private typealias P = QueryParameters

    private var count: Route {
        Route(
            .get, "/v1/devices:count", summary: "How many devices a query is true of, in all or by groups.", access: .scope(.devicesRead),
            parameters: [P.query, RegistryParameters.deleted, P.grouping, P.groups],
            responses: [
                ResponseSpecification(
                    schema: .object([
                        .init("count", .integer), .init("groups", .array(.map(.any)), isRequired: false),
                        .init("others", .integer, isRequired: false),
                    ]),
                    help:
                        "`count` is of all that fit; each of `groups` has a value for every field, null where devices lack it, and its `count`; "
                        + "`others` are devices in groups that are not shown.")
            ], errors: [.invalidQuery, .unavailable, .databaseBusy]
        ) { context in
            let conditions = [try context.deviceCondition(now: now())].compactMap { $0 }
            let deleted = try context.value(RegistryParameters.deleted)
            let limit = try context.value(P.groups)
            guard let grouping = try context.value(P.grouping) else {
                let found = try await answering { try await search.count(conditions, deleted, by: .byStatus, limit: limit) }
                return .json(.object(["count": .int(found.count)]))
            }
            let found = try await answering { try await search.count(conditions, deleted, by: grouping, limit: limit) }
            return .json(Self.document(found, grouping))
        }
    }

    private static func document(_ found: DeviceCount, _ grouping: QueryGrouping) -> JSONValue {
        let groups = found.groups.map { group in
            JSONValue.object(
                zip(grouping.fields, group.values).map { JSONValue.Member(name: $0.text, value: $1) }
                    + [JSONValue.Member(name: "count", value: .int(group.count))])
        }
        return .object(["count": .int(found.count), "groups": .array(groups), "others": .int(found.others)])
    }
}
