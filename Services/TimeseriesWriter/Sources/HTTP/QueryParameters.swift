import Domain
import HTTPKit

/// Parameters that several routes share.
enum QueryParameters {
    static let device = Parameter<DeviceID>(
        "id", in: .path, allowed: "1…128 of A-Z a-z 0-9 . _ : -", help: "Device id."
    ) { text throws(ParameterFault) in
        do throws(DomainError) {
            return try DeviceID(text)
        } catch {
            throw ParameterFault("is no device id: \(error.reason)")
        }
    }

    static let metric = Parameter.string("metric", in: .path, maxLength: 128, help: "Metric name.")

    static let unit = Parameter<String>(
        "unit", allowed: "at most 32 bytes", help: "Unit, when the metric has several; empty for the samples without one."
    ) { text throws(ParameterFault) in
        guard text.utf8.count <= 32 else { throw ParameterFault("must have at most 32 bytes") }
        return text
    }.optional

    static let from = time("from", help: "Begin of the window, inclusive.").defaulting(to: .text("-1h"), shown: "-1h")
    static let to = time("to", help: "End of the window, exclusive.").defaulting(to: .text("now"), shown: "now")

    static let every = Parameter<QueryInterval>(
        "every", allowed: QueryInterval.allowed,
        help: "Width of the buckets: a duration, aligned to the Unix epoch in UTC, or a calendar interval; without it an aggregate covers "
            + "the whole window."
    ) { text throws(ParameterFault) in
        guard let interval = QueryInterval(text) else { throw ParameterFault("must be \(QueryInterval.allowed)") }
        return interval
    }.optional

    static let zone = Parameter.string(
        "zone", maxLength: 64, help: "IANA time zone of calendar intervals (`Europe/Berlin`); UTC without it."
    ).optional

    struct AggregateList: Sendable {
        let names: [String]
        let aggregates: [Aggregate]
    }

    static let aggregates = Parameter<AggregateList>(
        "agg", allowed: Aggregate.allowed,
        help: "Aggregates per bucket, separated by commas: `min,max`. Booleans and texts have count, first and last; the others are null."
    ) { text throws(ParameterFault) in
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard let aggregates = Aggregate.list(names) else { throw ParameterFault(Aggregate.listRule) }
        return AggregateList(names: names, aggregates: aggregates)
    }.optional

    static let fill = Parameter<FillMode>(
        "fill", schema: .choice(FillMode.allCases.map(\.rawValue)), allowed: FillMode.allCases.map(\.rawValue).joined(separator: ", "),
        help: "What stands in buckets without samples; none leaves them out."
    ) { text throws(ParameterFault) in
        guard let mode = FillMode(rawValue: text) else {
            throw ParameterFault("must be one of \(FillMode.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return mode
    }.optional

    static let gaps = Parameter<Duration>(
        "gaps", allowed: DurationText.allowed, help: "Instead of samples: stretches of the window without any for longer than this."
    ) { text throws(ParameterFault) in
        guard let duration = DurationText.parse(text) else { throw ParameterFault("must be \(DurationText.allowed)") }
        return duration
    }.optional

    static let format = Parameter.choice(
        "format", of: RowFormat.allCases.map(\.rawValue),
        help: "json is one object, paged; ndjson and csv stream the whole window unless `limit` is given."
    ).defaulting(to: "json")

    static let limit = Parameter.integer(
        "limit", range: 1...10_000, help: "Samples of one answer. Default: 1,000 for json, none for ndjson and csv."
    ).optional

    static let pageLimit = Parameter.integer("limit", range: 1...10_000, help: "Series of one answer.").defaulting(to: 1_000)
    static let streamLimit = Parameter.integer("limit", range: 1...1_000, help: "Streams of one answer.").defaulting(to: 100)

    /// A time whose meaning depends on the moment of the request.
    struct TimeText: Sendable {
        let text: String
        static func text(_ text: String) -> TimeText { TimeText(text: text) }

        func resolve(_ name: String, now: Timestamp) throws(APIError) -> Timestamp {
            if let time = TimeExpression.parse(text, now: now) { return time }
            throw APIError(.invalidParameter, "query parameter '\(name)' must be \(TimeExpression.allowed)", field: name)
        }
    }

    private static func time(_ name: String, help: String) -> Parameter<TimeText> {
        Parameter<TimeText>(name, allowed: TimeExpression.allowed, help: help) { text throws(ParameterFault) in
            guard text.utf8.count <= 64, TimeExpression.parse(text, now: .unixEpoch) != nil else {
                throw ParameterFault("must be \(TimeExpression.allowed); in a URL write + as %2B")
            }
            return TimeText(text: text)
        }
    }
}
