import Domain
import HTTPKit
import HTTPServer

/// `/v1/devices/{id}/…`: what devices measured.
struct SeriesController: Sendable {
    /// Buckets of one answer.
    static let maximumBuckets: Int64 = 10_000

    let reader: SampleReader
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection { [series, latest, samples] }

    private typealias P = QueryParameters

    private var series: Route {
        Route(
            .get, "/v1/devices/{id}/series", summary: "The series of a device: metric, unit, time of the latest sample.",
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
            .get, "/v1/devices/{id}/series/{metric}", summary: "Samples of one series in order of time, or aggregates of them.",
            parameters: [P.device, P.metric, P.unit, P.from, P.to, P.every, P.aggregates, P.limit, PageCursor.parameter, P.format],
            responses: [
                ResponseSpecification(
                    help: "Without `agg`: time, value, type, quality per sample. With it: time and the aggregates per bucket with samples."),
                ResponseSpecification(
                    contentType: RowFormat.ndjson.contentType, help: "One row a line; `Martlet-Next-Cursor` pages."),
                ResponseSpecification(contentType: RowFormat.csv.contentType, help: "The same as CSV (RFC 4180)."),
            ],
            errors: [.deviceUnknown, .seriesUnknown, .unitAmbiguous, .windowTooLarge, .invalidCursor, .queryTimeout]
        ) { context in
            let now = now()
            let from = try context.value(P.from).resolve("from", now: now)
            let to = try context.value(P.to).resolve("to", now: now)
            guard from < to else { throw APIError(.invalidParameter, "'from' must lie before 'to'", field: "from") }
            let series = try await find(context)
            let window = SampleWindow(series: series.id, from: from, to: to, after: nil, limit: nil)
            if let aggregates = try context.value(P.aggregates) {
                return try await buckets(context, series, window, aggregates)
            }
            if try context.value(P.every) != nil {
                throw APIError(.invalidParameter, "'every' needs 'agg': the aggregates wanted per bucket", field: "agg")
            }
            return try await rows(context, series, window)
        }
    }

    // MARK: Samples

    private func rows(_ context: RequestContext, _ series: SeriesInfo, _ base: SampleWindow) async throws -> HTTPResponse {
        let format = RowFormat(rawValue: try context.value(P.format)) ?? .json
        let scope = "samples/\(series.id)"
        var window = base
        window.limit = try context.value(P.limit) ?? (format == .json ? 1_000 : nil)
        window.after = try context.value(PageCursor.parameter).map { try SampleKey(cursor: PageCursor($0, scope: scope)) }
        let cursor: @Sendable (SampleKey) -> String = { PageCursor($0).text(scope: scope) }
        let stream = try await SampleStream(reader: reader, window: window, format: format, head: head(context, series, window))
        var response = stream.samples(cursor: cursor)
        if format != .json, let limit = window.limit {
            // These formats have no room for a cursor behind the rows, and headers go first: look where the page ends.
            let end = try await answering {
                try await reader.pageEnd(of: series.id, from: window.from, to: window.to, after: window.after, limit: limit)
            }
            if let end { response.headers["Martlet-Next-Cursor"] = cursor(end) }
        }
        return response
    }

    private func buckets(
        _ context: RequestContext, _ series: SeriesInfo, _ window: SampleWindow, _ aggregates: [Aggregate]
    ) async throws -> HTTPResponse {
        if try context.value(P.limit) != nil || context.value(PageCursor.parameter) != nil {
            throw APIError(.invalidParameter, "aggregates come whole: leave 'limit' and 'cursor' out", field: "limit")
        }
        let every = try context.value(P.every)
        if let every { try checkBuckets(window, every) }
        let format = RowFormat(rawValue: try context.value(P.format)) ?? .json
        var head = try head(context, series, window)
        if let every { head.append((name: "every", value: .string(DurationText.format(every)))) }
        return try await SampleStream(reader: reader, window: window, format: format, head: head).aggregates(aggregates, every: every)
    }

    private func checkBuckets(_ window: SampleWindow, _ every: Duration) throws(APIError) {
        let count = BucketAggregator.count(from: window.from, to: window.to, every: every)
        guard count > Self.maximumBuckets else { return }
        let least = window.from.duration(to: window.to) / Int(Self.maximumBuckets - 1)
        let fitting = Self.widths.first { $0 >= least } ?? .seconds((least.components.seconds / 86_400 + 1) * 86_400)
        throw APIError(
            .windowTooLarge,
            "\(count) buckets, at most \(Self.maximumBuckets) fit: use every=\(DurationText.format(fitting)) or more, "
                + "or a window of at most " + DurationText.format(every * Int(Self.maximumBuckets - 1)), field: "every")
    }

    /// Widths worth proposing.
    private static let widths: [Duration] =
        [.milliseconds(10), .milliseconds(100)]
        + [1, 5, 10, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400].map { .seconds($0) }

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
        guard cursor.fields.count == 2, let time = Int64(cursor.fields[0]), let ordinal = UInt32(cursor.fields[1]) else {
            throw APIError(.invalidCursor, field: "cursor")
        }
        self.init(time: Timestamp(microseconds: time), ordinal: ordinal)
    }
}
