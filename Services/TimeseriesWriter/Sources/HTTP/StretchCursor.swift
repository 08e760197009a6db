import Domain

/// Reads one stretch of the plan for all series of the query, page by page, in the order of the series.
struct StretchCursor: Sendable {
    private static let mostSeriesAtOnce = 1_000
    /// Samples of a sweep, in pages: what a series holds may change from one to the next.
    private static let pagesPerSweep = 6

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
    private let readsAhead: Bool
    private var ahead: (place: SeriesPlace, page: Task<StretchPage, any Error>)?
    private var points: [PointRow] = []
    private var states: [StateRow] = []
    private var next = 0
    /// Where the page after this one begins; nil when there is none.
    private var place: SeriesPlace?
    /// Series whose samples fill about a page, as far as is known of those before.
    private var seriesAtOnce = 16
    private var seriesPerSweep = 0
    private var canSweep = true
    /// Of the series at hand, those that are still to come first.
    private var holes: [QueryStretch] = []
    private var holesOf: Int?
    /// States that begin before it lie in a hole.
    private var passed = Int64.min

    /// - Parameter readsAhead: the page after the one at hand is read meanwhile; for answers that leave nothing out.
    init(_ stretch: QueryStretch, _ extent: SealedExtent, _ fields: StateFields, readsAhead: Bool) {
        (self.stretch, self.extent, self.fields, self.readsAhead) = (stretch, extent, fields, readsAhead)
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
        let page = try await page(reader, ids, at: place)
        (points, states, self.place) = (page.points, page.states, page.next)
        if stretch.tier == nil { adapt(to: page.points.count, of: (page.next?.series ?? ids.count) - place.series) }
        if readsAhead, let next = page.next, next.series < ids.count {
            let request = request
            ahead = (next, Task { try await request.read(reader, ids, at: next) })
        }
    }

    /// The one that is being read already, if it begins there.
    private mutating func page(_ reader: SampleReader, _ ids: [Int32], at place: SeriesPlace) async throws -> StretchPage {
        defer { ahead = nil }
        guard let ahead, ahead.place == place else {
            cancel()
            return try await request.read(reader, ids, at: place)
        }
        return try await withTaskCancellationHandler {
            try await ahead.page.value
        } onCancel: {
            ahead.page.cancel()
        }
    }

    /// Ends what is being read ahead.
    func cancel() { ahead?.page.cancel() }

    private var request: StretchPage.Request {
        StretchPage.Request(stretch: stretch, extent: extent, fields: fields, seriesAtOnce: seriesAtOnce, seriesPerSweep: seriesPerSweep)
    }

    private mutating func adapt(to rows: Int, of series: Int) {
        // A sweep brings more series than are looked up at once: this one was refused, and the next would most likely be.
        if seriesPerSweep > seriesAtOnce, series <= seriesAtOnce { canSweep = false }
        let fitting = StretchPage.points * max(1, series) / max(1, rows)
        seriesAtOnce = max(1, min(fitting, 4 * seriesAtOnce, Self.mostSeriesAtOnce))
        seriesPerSweep = canSweep ? min(Self.pagesPerSweep * seriesAtOnce, Self.mostSeriesAtOnce) : 0
    }
}

/// What a query holds of each stretch, once more while it reads ahead.
struct StretchPage: Sendable {
    /// About so many.
    static let points = 4_000
    private static let states = 12_000

    var points: [PointRow] = []
    var states: [StateRow] = []
    /// Nil at the end.
    var next: SeriesPlace?

    struct Request: Sendable {
        let stretch: QueryStretch
        let extent: SealedExtent
        let fields: StateFields
        let seriesAtOnce: Int
        let seriesPerSweep: Int

        func read(_ reader: SampleReader, _ ids: [Int32], at place: SeriesPlace) async throws -> StretchPage {
            if let tier = stretch.tier {
                let query = StateQuery(series: ids, tier: tier, from: stretch.from, to: stretch.to, fields: fields)
                let page = try await query.page(reader, at: place, limit: StretchPage.states)
                return StretchPage(states: page.rows, next: page.next)
            }
            let query = PointQuery(
                series: ids, from: stretch.from, to: stretch.to, extent: extent, seriesAtOnce: seriesAtOnce,
                seriesPerSweep: seriesPerSweep)
            let page = try await query.page(reader, at: place, limit: StretchPage.points)
            return StretchPage(points: page.rows, next: page.next)
        }
    }
}
