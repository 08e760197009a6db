import Domain

/// Reads one stretch of the plan for all series of the query, page by page, in the order of the series.
struct StretchCursor: Sendable {
    /// Rows of one page: what a query holds of each stretch.
    static let pageRows = 4_000

    let stretch: QueryStretch
    private var points: [PointRow] = []
    private var next = 0
    /// Where the page after this one begins; nil when there is none.
    private var place: SeriesPlace?

    init(_ stretch: QueryStretch) {
        self.stretch = stretch
        place = SeriesPlace(series: 0, time: stretch.from)
    }

    /// Gives the rows that are at hand of one series.
    /// - Returns: whether there may be more of it: then ``load(_:_:)`` is due.
    mutating func take(series: Int, _ point: (PointRow) -> Bool) -> Bool {
        while next < points.count, points[next].series == series {
            defer { next += 1 }
            guard point(points[next]) else { return false }
        }
        guard next == points.count, let place else { return false }
        return place.series <= series
    }

    /// Passes over what is left of a series.
    mutating func skip(series: Int) {
        while next < points.count, points[next].series <= series { next += 1 }
        if let place, place.series <= series { self.place = SeriesPlace(series: series + 1, time: stretch.from) }
    }

    mutating func load(_ reader: SampleReader, _ ids: [Int32]) async throws {
        guard next == points.count, let place else { return }
        guard place.series < ids.count else {
            self.place = nil
            return
        }
        let query = PointQuery(series: ids, from: stretch.from, to: stretch.to)
        let page = try await query.page(reader, at: place, limit: Self.pageRows)
        (points, next, self.place) = (page.rows, 0, page.next)
    }
}
