import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/devices`: many devices.
struct DeviceListController: Sendable {
    let search: DeviceSearch
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection { [list] }

    private typealias P = RegistryParameters
    private static let type = P.name("type", in: .query, help: "Devices of this type.").optional
    private static let lifecycle = P.choice("lifecycle", Lifecycle.self, help: "Devices in this state.").optional
    private static let status = P.choice("status", DeviceStatus.self, help: "Devices that are so.").optional
    private static let parent = P.device("parent", in: .query, help: "Devices behind this gateway.").optional
    private static let prefix = Parameter.string("id_prefix", maxLength: 128, help: "Devices whose id begins so.").optional
    private static let labels = P.labels.optional

    private var list: Route {
        Route(
            .get, "/v1/devices", summary: "Devices that fit all conditions, in pages.", access: .scope(.devicesRead),
            parameters: [
                QueryParameters.query, Self.type, Self.lifecycle, Self.status, Self.labels, Self.parent, Self.prefix, P.deleted, P.sort,
                P.limit,
                PageCursor.parameter,
            ],
            responses: [
                ResponseSpecification(
                    schema: .object([.init("devices", .array(DevicesController.shape)), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the page behind it, null at the end.")
            ], errors: [.invalidQuery, .invalidCursor, .unavailable, .databaseBusy]
        ) { context in
            let order = try context.value(P.sort)
            let limit = try context.value(P.limit)
            var query = DeviceQuery(conditions: try conditions(context), sort: order.sort, descending: order.descending)
            let scope = Self.scope(context)
            if let cursor = try context.value(PageCursor.parameter) {
                let fields = try PageCursor(cursor, scope: scope).fields
                guard fields.count == 2 else { throw APIError(.invalidCursor, field: "cursor") }
                query.after = DeviceQuery.Place(value: fields[0], id: fields[1])
            }
            let whole = query
            let found = try await answering { try await search.page(whole, limit: limit + 1) }
            guard let found else { throw APIError(.invalidCursor, field: "cursor") }
            let next = found.count > limit ? found[limit - 1] : nil
            let cursor = next.map { PageCursor(fields: [order.sort.text(of: $0), $0.device.id.text]).text(scope: scope) }
            return .json(
                .object([
                    "devices": .array(found.prefix(limit).map(\.json)), "next": cursor.map { .string($0) } ?? .null,
                ]))
        }
    }

    /// A cursor is good for the conditions and the order that it was made with.
    private static func scope(_ context: RequestContext) -> String {
        context.request.query.filter { $0.name != "cursor" && $0.name != "limit" }.map { "\($0.name)=\($0.value)" }.sorted()
            .joined(separator: "&")
    }

    private func conditions(_ context: RequestContext) throws -> [SQLFragment] {
        [
            DeviceConditions.deleted(try context.value(P.deleted)), try context.deviceCondition(now: now()),
            try context.value(Self.type).map(DeviceConditions.type), try context.value(Self.lifecycle).map(DeviceConditions.lifecycle),
            try context.value(Self.status).map(DeviceConditions.status), try context.value(Self.labels).map(DeviceConditions.labels),
            try context.value(Self.parent).map(DeviceConditions.parent), try context.value(Self.prefix).map(DeviceConditions.idPrefix),
        ].compactMap { $0 }
    }
}
