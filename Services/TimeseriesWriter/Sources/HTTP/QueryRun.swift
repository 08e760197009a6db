import Domain
import HTTPKit
import HTTPServer

/// Answers a query as a stream: series after series, in bounded memory, and without a database connection while the client reads.
struct QueryRun: Sendable {
    /// Bytes gathered before they are handed to the connection.
    private static let chunk = 32_768

    let reader: SampleReader
    let shape: QueryShape
    let series: [QuerySeries]
    private let ids: [Int32]
    private var cursors: [StretchCursor]
    private var answer: QueryAnswer
    private var fold: SeriesFold
    private let extent: SealedExtent
    private let slot: QuerySlot

    init(reader: SampleReader, query: QueryDesk.Prepared, answer: QueryAnswer, slot: QuerySlot) {
        (self.reader, self.answer, self.slot) = (reader, answer, slot)
        (shape, series, extent) = (query.shape, query.series, query.extent)
        ids = series.map(\.id)
        let fields = shape.fields
        var readsAhead = true
        if case .samples = query.shape.rows { readsAhead = false }
        cursors = query.plan.stretches.map { StretchCursor($0, query.extent, fields, readsAhead: readsAhead) }
        fold = SeriesFold(shape)
    }

    /// The first page is read before the headers are sent, so that a failing database is still a problem+json.
    func response() async throws -> HTTPResponse {
        var run = self
        if !run.cursors.isEmpty { try await answering { try await run.cursors[0].load(reader, ids) } }
        let ready = run
        return .stream(type: answer.format.contentType) { writer in
            var run = ready
            try await run.write(writer)
        }
    }

    private mutating func write(_ writer: HTTPBodyWriter) async throws {
        defer { for cursor in cursors { cursor.cancel() } }
        for (index, one) in series.enumerated() {
            answer.begin(one)
            for cursor in cursors.indices { try await drain(cursor, index, writer) }
            fold.finish(&answer)
            answer.end(isCut: fold.wasCut)
            try await flush(writer, over: Self.chunk)
        }
        answer.finish(fold.tally)
        try await flush(writer, over: 0)
    }

    private mutating func drain(_ cursor: Int, _ index: Int, _ writer: HTTPBodyWriter) async throws {
        while true {
            switch take(cursor, index) {
            case .end:
                if fold.isFull { cursors[cursor].skip(series: index) }
                return
            case .hole(let stretch): try await read(stretch, index, writer)
            case .page:
                // Written before the next page is read: a client that is slow holds no more than one page of each stretch.
                try await flush(writer, over: Self.chunk)
                try await answering { try await cursors[cursor].load(reader, ids) }
            }
        }
    }

    private mutating func take(_ cursor: Int, _ index: Int) -> StretchCursor.Pause {
        guard let tier = cursors[cursor].stretch.tier else {
            return cursors[cursor].take(series: index) { fold.add($0, &answer) }
        }
        return cursors[cursor].take(series: index, id: ids[index], tier) { fold.add($0.state, tier, start: $0.start, &answer) }
    }

    /// Samples of one series in the place of states.
    private mutating func read(_ stretch: QueryStretch, _ index: Int, _ writer: HTTPBodyWriter) async throws {
        let query = PointQuery(series: [ids[index]], from: stretch.from, to: stretch.to, extent: extent)
        var place: SeriesPlace? = SeriesPlace(series: 0, time: stretch.from)
        while let here = place {
            let page = try await answering { try await query.page(reader, at: here, limit: StretchPage.points) }
            for point in page.rows { _ = fold.add(point, &answer) }
            try await flush(writer, over: Self.chunk)
            place = page.next
        }
    }

    private mutating func flush(_ writer: HTTPBodyWriter, over size: Int) async throws {
        guard answer.bytes.count > size else { return }
        try await writer.write(answer.takeBytes())
    }
}

/// What becomes of the rows of one series after the other.
struct SeriesFold: Sendable {
    private(set) var tally = QueryTally()
    /// No further row is wanted of this series.
    private(set) var isFull = false
    /// Whether the series that was finished last had more rows than wanted.
    private(set) var wasCut = false
    private var taken = 0
    private let limit: Int
    private var buckets: BucketAggregator?
    private var fill: BucketFill?
    private var gaps: GapFinder?

    init(_ shape: QueryShape) {
        switch shape.rows {
        case .samples(let limit): self.limit = limit ?? .max
        case .gaps(let longerThan):
            limit = .max
            gaps = GapFinder(window: shape.window, longerThan: longerThan)
        case .buckets(let grid, let selection, let mode):
            limit = .max
            buckets = BucketAggregator(grid: grid, window: shape.window, selection: selection)
            fill = BucketFill(mode: mode, grid: grid, window: shape.window, aggregates: selection.aggregates)
        }
    }

    /// - Returns: whether more is wanted.
    mutating func add(_ point: PointRow, _ answer: inout QueryAnswer) -> Bool {
        tally.points += 1
        if buckets != nil {
            if let done = buckets?.add(point.time, point.value) { append(done, &answer) }
        } else if gaps != nil {
            if let gap = gaps?.add(point.time) { answer.append(gap) }
        } else {
            guard taken < limit else {
                isFull = true
                return false
            }
            taken += 1
            answer.append(point)
        }
        return true
    }

    mutating func add(_ state: RollupState, _ tier: RollupTier, start: Int64, _ answer: inout QueryAnswer) {
        tally.states[tier.rawValue] += 1
        if let done = buckets?.add(state, tier, start: start) { append(done, &answer) }
    }

    private mutating func append(_ bucket: Bucket, _ answer: inout QueryAnswer) { fill?.add(bucket) { answer.append($0) } }

    /// Ends the series.
    mutating func finish(_ answer: inout QueryAnswer) {
        if let done = buckets?.finish() { append(done, &answer) }
        fill?.finish { answer.append($0) }
        if let gap = gaps?.finish() { answer.append(gap) }
        (wasCut, isFull, taken) = (isFull, false, 0)
    }
}
