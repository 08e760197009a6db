import Domain
import HTTPKit

/// `every`: the width of buckets as clients write it.
enum QueryInterval: Sendable, Equatable {
    case duration(Duration)
    case calendar(CalendarUnit)

    static let allowed = "\(DurationText.allowed), or \(CalendarUnit.allCases.map(\.rawValue).joined(separator: ", "))"

    init?(_ text: String) {
        if let unit = CalendarUnit(rawValue: text) {
            self = .calendar(unit)
        } else {
            guard let duration = DurationText.parse(text) else { return nil }
            self = .duration(duration)
        }
    }

    var text: String {
        switch self {
        case .duration(let duration): DurationText.format(duration)
        case .calendar(let unit): unit.rawValue
        }
    }
}

/// What is wanted of a series' samples.
struct QueryShape: Sendable {
    enum Rows: Sendable {
        case samples(limit: Int?)
        /// Stretches without samples of more than so many microseconds.
        case gaps(Int64)
        case buckets(BucketGrid, AggregateSelection, FillMode)
    }

    var window: QueryWindow
    var rows: Rows
    /// For the head of the answer.
    var interval: QueryInterval?
    var zone: String?

    var grid: BucketGrid {
        if case .buckets(let grid, _, _) = rows { return grid }
        return .whole
    }

    var fields: StateFields {
        if case .buckets(_, let selection, _) = rows { return selection.fields }
        return []
    }

    var source: Aggregate.Source {
        if case .buckets(_, let selection, _) = rows { return selection.source }
        return .points
    }
}

/// The parts of a query as both routes read them, still to be held against one another.
struct QueryWish: Sendable {
    var from: Timestamp
    var to: Timestamp
    var now: Timestamp
    var every: QueryInterval?
    var zone: String?
    var aggregates: [Aggregate]?
    var fill: FillMode?
    var gaps: Duration?
    var limit: Int?

    /// - Throws: what does not go together, naming the member.
    func shape(_ zones: ZoneDirectory) throws(APIError) -> QueryShape {
        guard from < to else { throw Self.fault("from", "'from' must lie before 'to'") }
        let window = QueryWindow(from: from, to: to, now: now)
        let grid = try grid(zones)
        guard let aggregates else {
            if every != nil { throw Self.fault("every", "'every' needs 'agg': the aggregates wanted per bucket") }
            if fill != nil { throw Self.fault("fill", "'fill' needs 'agg': only buckets are filled") }
            return QueryShape(window: window, rows: gaps.map { .gaps($0.wholeMicroseconds) } ?? .samples(limit: limit))
        }
        if gaps != nil { throw Self.fault("gaps", "gaps are an answer of their own: leave 'agg' out, or 'gaps'") }
        if limit != nil { throw Self.fault("limit", "aggregates come whole: leave 'limit' out") }
        if let fill, fill != .none, every == nil {
            throw Self.fault("fill", "'fill' needs 'every': one bucket is never empty beside others")
        }
        let rows = QueryShape.Rows.buckets(grid, AggregateSelection(aggregates), fill ?? .none)
        return QueryShape(window: window, rows: rows, interval: every, zone: zone)
    }

    private func grid(_ zones: ZoneDirectory) throws(APIError) -> BucketGrid {
        switch every {
        case nil:
            if zone != nil { throw Self.fault("zone", "'zone' needs 'every' with a calendar interval") }
            return .whole
        case .duration(let duration):
            if zone != nil {
                throw Self.fault(
                    "zone", "'zone' needs a calendar interval (day, week, month, quarter, year); '\(every?.text ?? "")' is a fixed duration"
                )
            }
            return .fixed(max(1, duration.wholeMicroseconds))
        case .calendar(let unit):
            guard let rules = zones.zone(zone ?? "UTC") else {
                let hint = zones.isPresent ? "such as Europe/Berlin" : "and this host has no time zone data base (package tzdata)"
                throw Self.fault("zone", "'\(zone ?? "")' is no time zone of the IANA data base, \(hint)")
            }
            return .calendar(unit, rules)
        }
    }

    private static func fault(_ field: String, _ detail: String) -> APIError { APIError(.invalidParameter, detail, field: field) }
}
