import Domain

/// Reads one stretch of the plan for all series of the query, page by page, in the order of the series.
struct StretchCursor: Sendable {
    /// Rows of one page: what a query holds of each stretch.
    static let pageRows = 4_000
    private static let mostSeriesAtOnce = 1_000

    /// Why no further row is at hand.
    enum Pause {
        /// The series has no more here.
        case end
        /// There may be more of it: ``load(_:_:)`` is due.
        case page
        /// This part has to be read from the samples before going on.
        case hole(QueryStretch)
    }

    let stretch: QueryStretch
    private let extent: SealedExtent
    private let fields: StateFields
    private var points: [PointRow] = []
    private var states: [StateRow] = []
    private var next = 0
    /// Where the page after this one begins; nil when there is none.
    private var place: SeriesPlace?
    /// Series whose samples fill about a page, as far as is known of those before.
    private var seriesAtOnce = 16
    /// Of the series at hand, those that are still to come first.
    private var holes: [QueryStretch] = []
    private var holesOf: Int?
    /// States that begin before it lie in a hole.
    private var passed = Int64.min

    init(_ stretch: QueryStretch, _ extent: SealedExtent, _ fields: StateFields) {
        (self.stretch, self.extent, self.fields) = (stretch, extent, fields)
        place = SeriesPlace(series: 0, time: stretch.from)
    }

    private var isRead: Bool { next == (stretch.tier == nil ? points.count : states.count) }

    /// Gives the samples at hand of one series.
    /// - Parameter point: returns whether more is wanted.
    mutating func take(series: Int, _ point: (PointRow) -> Bool) -> Pause {
        while next < points.count, points[next].series == series {
            defer { next += 1 }
            guard point(points[next]) else { return .end }
        }
        return isRead && place.map { $0.series <= series } ?? false ? .page : .end
    }

    /// Gives the states at hand of one series.
    mutating func take(series: Int, id: Int32, _ tier: RollupTier, _ state: (StateRow) -> Void) -> Pause {
        if holesOf != series {
            (holesOf, passed) = (series, .min)
            holes = extent.lateHours[id].map { tier.holes(ofLate: $0, in: stretch) } ?? []
        }
        while next < states.count, states[next].series == series {
            let row = states[next]
            if let hole = holes.first, hole.from <= row.start { return enter(hole) }
            next += 1
            if row.start >= passed { state(row) }
        }
        if isRead, place.map({ $0.series <= series }) ?? false { return .page }
        return holes.first.map { enter($0) } ?? .end
    }

    private mutating func enter(_ hole: QueryStretch) -> Pause {
        holes.removeFirst()
        passed = hole.to
        return .hole(hole)
    }

    /// Passes over what is left of a series.
    mutating func skip(series: Int) {
        while next < points.count, points[next].series <= series { next += 1 }
        if let place, place.series <= series { self.place = SeriesPlace(series: series + 1, time: stretch.from) }
    }

    mutating func load(_ reader: SampleReader, _ ids: [Int32]) async throws {
        guard isRead, let place else { return }
        guard place.series < ids.count else {
            self.place = nil
            return
        }
        next = 0
        if let tier = stretch.tier {
            let query = StateQuery(series: ids, tier: tier, from: stretch.from, to: stretch.to, fields: fields)
            let page = try await query.page(reader, at: place, limit: Self.pageRows)
            (states, self.place) = (page.rows, page.next)
        } else {
            let query = PointQuery(series: ids, from: stretch.from, to: stretch.to, extent: extent, seriesAtOnce: seriesAtOnce)
            let page = try await query.page(reader, at: place, limit: Self.pageRows)
            (points, self.place) = (page.rows, page.next)
            adapt(to: page.rows.count, of: (page.next?.series ?? ids.count) - place.series)
        }
    }

    private mutating func adapt(to rows: Int, of series: Int) {
        let fitting = Self.pageRows * max(1, series) / max(1, rows)
        seriesAtOnce = max(1, min(fitting, 4 * seriesAtOnce, Self.mostSeriesAtOnce))
    }
}
