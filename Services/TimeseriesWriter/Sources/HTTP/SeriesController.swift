import AccessTokens
import Domain
import HTTPKit
import HTTPServer

/// `/v1/devices/{id}/…`: what devices measured.
struct SeriesController: Sendable {
    let desk: QueryDesk
    private var reader: SampleReader { desk.reader }

    var routes: RouteCollection { [series, latest, samples] }

    private typealias P = QueryParameters

    private var series: Route {
        Route(
            .get, "/v1/devices/{id}/series", summary: "The series of a device: metric, unit, time of the latest sample.",
            access: .scope(.telemetryRead),
            parameters: [P.device, P.pageLimit, PageCursor.parameter],
            responses: [ResponseSpecification(schema: .any, help: "Series by metric and unit; `next` is null on the last page.")],
            errors: [.deviceUnknown, .invalidCursor]
        ) { context in
            try await page(context, "series", scope: "series") { info in
                [("metric", .string(info.metric)), ("unit", RowValue(info.unit)), ("latest_time", RowValue(info.latest?.key.time.rfc3339))]
            }
        }
    }

    private var latest: Route {
        Route(
            .get, "/v1/devices/{id}/latest", summary: "The sample with the greatest event time of each series of a device.",
            access: .scope(.telemetryRead),
            parameters: [P.device, P.pageLimit, PageCursor.parameter],
            responses: [ResponseSpecification(schema: .any, help: "Latest samples by metric and unit; `next` is null on the last page.")],
            errors: [.deviceUnknown, .invalidCursor]
        ) { context in
            try await page(context, "latest", scope: "latest") { info in
                guard let sample = info.latest else { return nil }
                return [
                    ("metric", .string(info.metric)), ("unit", RowValue(info.unit)), ("time", RowValue(sample.key.time)),
                    ("value", RowValue(sample.value)), ("type", .string(sample.value.typeName)), ("quality", .string(sample.quality.text)),
                ]
            }
        }
    }

    private var samples: Route {
        Route(
            .get, "/v1/devices/{id}/series/{metric}", summary: "Samples of one series in order of time, aggregates of them, or gaps.",
            access: .scope(.telemetryRead),
            parameters: [
                P.device, P.metric, P.unit, P.from, P.to, P.every, P.zone, P.aggregates, P.fill, P.gaps, P.limit, PageCursor.parameter,
                P.format,
            ],
            responses: [
                ResponseSpecification(
                    help: "Without `agg`: time, value, type, quality per sample. With it: time and the aggregates per bucket with samples."),
                ResponseSpecification(
                    contentType: RowFormat.ndjson.contentType, help: "One row a line; `Martlet-Next-Cursor` pages."),
                ResponseSpecification(contentType: RowFormat.csv.contentType, help: "The same as CSV (RFC 4180)."),
            ],
            errors: [
                .deviceUnknown, .seriesUnknown, .unitAmbiguous, .windowTooLarge, .queryTooLarge, .invalidCursor, .queryTimeout,
                .queriesBusy,
            ]
        ) { context in
            let shape = try wish(context).shape(desk.zones)
            let slot = try desk.slots.take()
            let series = try await find(context)
            if case .samples = shape.rows { return try await rows(context, series, shape.window) }
            return try await run(context, series, shape, slot)
        }
    }

    private func wish(_ context: RequestContext) throws(APIError) -> QueryWish {
        let now = desk.now()
        let wish = QueryWish(
            from: try context.value(P.from).resolve("from", now: now), to: try context.value(P.to).resolve("to", now: now), now: now,
            every: try context.value(P.every), zone: try context.value(P.zone), aggregates: try context.value(P.aggregates)?.aggregates,
            fill: try context.value(P.fill), gaps: try context.value(P.gaps), limit: try context.value(P.limit))
        if try context.value(PageCursor.parameter) != nil, wish.aggregates != nil || wish.gaps != nil {
            throw APIError(.invalidParameter, "aggregates and gaps come whole: leave 'cursor' out", field: "cursor")
        }
        return wish
    }

    // MARK: Samples

    private func rows(_ context: RequestContext, _ series: SeriesInfo, _ asked: QueryWindow) async throws -> HTTPResponse {
        let format = RowFormat(rawValue: try context.value(P.format)) ?? .json
        let scope = "samples/\(series.id)"
        var window = SampleWindow(
            series: series.id, from: Timestamp(microseconds: asked.from), to: Timestamp(microseconds: asked.to), after: nil,
            limit: try context.value(P.limit) ?? (format == .json ? 1_000 : nil))
        window.after = try context.value(PageCursor.parameter).map { try SampleKey(cursor: PageCursor($0, scope: scope)) }
        let cursor: @Sendable (SampleKey) -> String = { PageCursor($0).text(scope: scope) }
        let completeness = try await desk.completeness(of: series.id, asked)
        let stream = try await SampleStream(
            reader: reader, window: window, format: format, head: head(context, series, window) + completeness.members)
        var response = stream.samples(cursor: cursor)
        for header in completeness.headers { response.headers[header.name] = header.value }
        if format != .json, let limit = window.limit {
            // These formats have no room for a cursor behind the rows, and headers go first: look where the page ends.
            let end = try await answering {
                try await reader.pageEnd(of: series.id, from: window.from, to: window.to, after: window.after, limit: limit)
            }
            if let end { response.headers["Martlet-Next-Cursor"] = cursor(end) }
        }
        return response
    }

    /// Aggregates or gaps.
    private func run(
        _ context: RequestContext, _ series: SeriesInfo, _ shape: QueryShape, _ slot: QuerySlot
    ) async throws -> HTTPResponse {
        let device = try context.value(P.device).text
        let named = QuerySeries(id: series.id, device: device, metric: series.metric, unit: series.unit)
        let prepared = try await desk.prepare(shape, [named])
        let head: QueryAnswer.Members = [
            ("device", .string(device)), ("metric", .string(series.metric)), ("unit", RowValue(series.unit)),
        ]
        return try await desk.run(
            prepared, format: RowFormat(rawValue: try context.value(P.format)) ?? .json, layout: .one,
            head: head + QueryDesk.head(prepared),
            names: try context.value(P.aggregates)?.names ?? [], slot: slot)
    }

    private func head(
        _ context: RequestContext, _ series: SeriesInfo, _ window: SampleWindow
    ) throws(APIError) -> [(name: String, value: RowValue)] {
        [
            ("device", .string(try context.value(P.device).text)), ("metric", .string(series.metric)), ("unit", RowValue(series.unit)),
            ("from", RowValue(window.from)), ("to", RowValue(window.to)),
        ]
    }

    private func find(_ context: RequestContext) async throws -> SeriesInfo {
        let device = try context.value(P.device)
        let metric = try context.value(P.metric)
        let unit = try context.value(P.unit)
        let found = try await answering { try await reader.series(of: device, metric: metric, limit: 100) }
        guard let found else { throw APIError(.deviceUnknown, "nothing was ever stored of device \(device)", field: "id") }
        let fitting = found.filter { unit == nil || $0.unit ?? "" == unit }
        guard let first = fitting.first else {
            throw APIError(
                .seriesUnknown, found.isEmpty ? "device \(device) has no metric '\(metric)'" : "'\(metric)' has units \(Self.units(found))",
                field: found.isEmpty ? "metric" : "unit")
        }
        guard fitting.count == 1 else {
            throw APIError(.unitAmbiguous, "'\(metric)' has units \(Self.units(found)): choose with unit=…", field: "unit")
        }
        return first
    }

    private static func units(_ series: [SeriesInfo]) -> String {
        series.map { $0.unit.map { "'\($0)'" } ?? "'' (none)" }.joined(separator: ", ")
    }

    // MARK: Lists

    private static func place(cursor text: String, _ scope: String) throws -> (metric: String, unit: String) {
        let fields = try PageCursor(text, scope: scope).fields
        guard fields.count == 2 else { throw APIError(.invalidCursor, field: "cursor") }
        return (metric: fields[0], unit: fields[1])
    }

    private func page(
        _ context: RequestContext, _ name: String, scope: String, _ members: (SeriesInfo) -> [(String, RowValue)]?
    ) async throws -> HTTPResponse {
        let device = try context.value(P.device)
        let limit = try context.value(P.pageLimit)
        let after = try context.value(PageCursor.parameter).map { try Self.place(cursor: $0, scope) }
        let found = try await answering { try await reader.series(of: device, after: after, limit: limit + 1) }
        guard let found else { throw APIError(.deviceUnknown, "nothing was ever stored of device \(device)", field: "id") }
        var json = JSONWriter()
        json.beginObject()
        json.member("device", .string(device.text))
        json.key(name)
        json.beginArray()
        for info in found.prefix(limit) {
            guard let members = members(info) else { continue }
            json.beginObject()
            for (name, value) in members { json.member(name, value) }
            json.endObject()
        }
        json.endArray()
        let last = found.count > limit ? found[limit - 1] : nil
        json.member("next", RowValue(last.map { PageCursor(fields: [$0.metric, $0.unit ?? ""]).text(scope: scope) }))
        json.endObject()
        return .json(json)
    }
}

extension PageCursor {
    init(_ key: SampleKey) { self.init(fields: ["\(key.time.microseconds)", "\(key.ordinal)"]) }
}

extension SampleKey {
    init(cursor: PageCursor) throws(APIError) {
        guard cursor.fields.count == 2, let time = Int64(cursor.fields[0]).map({ Timestamp(microseconds: $0) }),
            time.isRepresentable, let ordinal = UInt32(cursor.fields[1])
        else { throw APIError(.invalidCursor, field: "cursor") }
        self.init(time: time, ordinal: ordinal)
    }
}
