import AccessTokens
import Domain
import HTTPKit
import HTTPServer

/// `POST /v1/query`: many devices and metrics at once.
struct QueryController: Sendable {
    let desk: QueryDesk

    var routes: RouteCollection { [query] }

    private var query: Route {
        Route(
            .post, "/v1/query", summary: "Samples, aggregates or gaps of many series at once.", access: .scope(.telemetryRead),
            requestBody: BodySpecification(
                schema: Self.schema, limit: 1 << 20, help: "Which series, which window, and what is wanted of them."),
            responses: [
                ResponseSpecification(
                    help: "Per series: samples, buckets or gaps; `tier` says where buckets come from, `read` how much was read of what."),
                ResponseSpecification(
                    contentType: RowFormat.ndjson.contentType, help: "One row a line, with device, metric and unit."),
                ResponseSpecification(contentType: RowFormat.csv.contentType, help: "The same as CSV (RFC 4180)."),
            ],
            errors: [
                .invalidParameter, .seriesUnknown, .windowTooLarge, .tooManySeries, .queryTooLarge, .queryTimeout, .queriesBusy,
                .unavailable,
            ]
        ) { context in
            let body: QueryBody = try await context.json()
            let slot = try desk.slots.take()
            let shape = try body.wish(now: desk.now()).shape(desk.zones)
            let found = try await answering { try await desk.reader.find(body.filter, limit: desk.limits.series) }
            try desk.limits.check(series: found.count)
            guard !found.series.isEmpty else {
                throw APIError(.seriesUnknown, "no series has these devices, metrics and this unit", field: "devices")
            }
            let prepared = try await desk.prepare(shape, found.series)
            if body.explain { return Self.explain(prepared) }
            let head = QueryDesk.head(prepared) + [(name: "missing", value: Self.missing(body.namedDevices, found.series))]
            return try await desk.run(
                prepared, format: body.format, layout: .many, head: head, names: body.aggregateNames ?? [], slot: slot)
        }
    }

    /// How many of the devices that were named have no such series: a mistyped id must not look like silence.
    private static func missing(_ named: [String], _ found: [QuerySeries]) -> RowValue {
        let known = Set(found.map(\.device))
        return .integer(Int64(Set(named).count { !known.contains($0) }))
    }

    private static func explain(_ query: QueryDesk.Prepared) -> HTTPResponse {
        var json = JSONWriter()
        json.beginObject()
        for member in QueryDesk.head(query) { json.member(member.name, member.value) }
        json.member("series", .integer(Int64(query.cost.series)))
        json.member("buckets_per_series", .integer(Int64(query.cost.bucketsPerSeries)))
        json.member("states", .integer(query.cost.states))
        json.member("points", .integer(query.cost.points))
        json.key("stretches")
        json.beginArray()
        for stretch in query.plan.stretches {
            json.beginObject()
            json.member("from", RowValue(Timestamp(microseconds: stretch.from)))
            json.member("to", RowValue(Timestamp(microseconds: stretch.to)))
            json.member("tier", .string(stretch.tier?.name ?? "points"))
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return .json(json)
    }

    private static let names = HTTPKit.Schema.oneOf([.string, .array(.string)])

    private static let schema = HTTPKit.Schema.object([
        .init("devices", .described(names, "Ids, or patterns with `*`: `pump-*`.")),
        .init("metrics", .described(names, "Names, or patterns with `*`; `\\` before a `*` that is meant.")),
        .init("unit", .described(.string, "Only series with this unit; empty for those without one."), isRequired: false),
        .init("from", .described(.oneOf([.string, .integer]), "\(TimeExpression.allowed); default -1h."), isRequired: false),
        .init("to", .described(.oneOf([.string, .integer]), "Exclusive; default now."), isRequired: false),
        .init("every", .described(.string, QueryInterval.allowed), isRequired: false),
        .init("zone", .described(.string, "IANA time zone of calendar intervals; default UTC."), isRequired: false),
        .init("agg", .described(names, Aggregate.allowed), isRequired: false),
        .init("fill", .choice(FillMode.allCases.map(\.rawValue)), isRequired: false),
        .init("gaps", .described(.string, "Instead of samples: stretches longer than this without any."), isRequired: false),
        .init("limit", .described(.integer, "Samples per series at most."), isRequired: false),
        .init("format", .choice(RowFormat.allCases.map(\.rawValue)), isRequired: false),
        .init("explain", .described(.boolean, "Tell plan and cost instead of running."), isRequired: false),
    ])
}
