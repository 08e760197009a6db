import Domain
import HTTPKit
import HTTPServer

/// What both query routes work with: plans a query, knows its cost before it runs, refuses what is too much, runs it.
struct QueryDesk: Sendable {
    let reader: SampleReader
    let zones: ZoneDirectory
    let limits: QueryLimits
    let slots: QuerySlots
    let now: @Sendable () -> Timestamp

    init(
        reader: SampleReader, zones: ZoneDirectory = ZoneDirectory(), limits: QueryLimits = QueryLimits(),
        now: @escaping @Sendable () -> Timestamp
    ) {
        (self.reader, self.zones, self.limits, self.now) = (reader, zones, limits, now)
        slots = QuerySlots(limit: limits.concurrent)
    }

    /// A query that is allowed to run.
    struct Prepared: Sendable {
        let shape: QueryShape
        let series: [QuerySeries]
        let plan: QueryPlan
        let cost: QueryCost
        let extent: SealedExtent
        let completeness: QueryCompleteness

        var tier: String { plan.tier?.name ?? "points" }
    }

    func prepare(_ shape: QueryShape, _ series: [QuerySeries]) async throws -> Prepared {
        let buckets = try limits.checkBuckets(shape, series: series.count)
        let (window, ids) = (shape.window, series.map(\.id))
        let extent = try await answering {
            try await reader.extent(of: ids, from: window.from, to: window.to, withStates: shape.source == .states)
        }
        let plan = QueryPlan(
            grid: shape.grid, window: window, source: extent.isTooLate ? .points : shape.source, sealedBefore: extent.sealedBefore,
            horizon: extent.horizon)
        var points = try await answering { try await estimate(plan, extent, ids) }
        if case .samples(let limit?) = shape.rows { points = min(points, Int64(limit) * Int64(series.count)) }
        let cost = QueryCost(
            series: series.count, bucketsPerSeries: buckets, states: plan.stateCount * Int64(series.count), points: points)
        try limits.check(cost, shape)
        let completeness = try await completeness(of: ids, plan.stretches, extent)
        return Prepared(shape: shape, series: series, plan: plan, cost: cost, extent: extent, completeness: completeness)
    }

    private func completeness(
        of series: [Int32], _ stretches: [QueryStretch], _ extent: SealedExtent
    ) async throws -> QueryCompleteness {
        QueryCompleteness(droppedBefore: try await answering { try await reader.droppedBefore(of: series, stretches, extent) })
    }

    /// Of the samples of one series.
    func completeness(of series: Int32, _ window: QueryWindow) async throws -> QueryCompleteness {
        let extent = try await answering {
            try await reader.extent(of: [series], from: window.from, to: window.to, withStates: false)
        }
        return try await completeness(of: [series], [QueryStretch(from: window.from, to: window.to, tier: nil)], extent)
    }

    /// Of what is sealed the counts of its days; of what is not, an estimate. Edges of less than an hour do not count.
    private func estimate(_ plan: QueryPlan, _ extent: SealedExtent, _ ids: [Int32]) async throws -> Int64 {
        var points: Int64 = 0
        for stretch in plan.stretches where stretch.tier == nil {
            if stretch.from >= extent.sealedBefore {
                points += try await reader.estimatedPoints(of: ids, from: stretch.from, to: stretch.to)
            } else if stretch.to - stretch.from >= RollupTier.hour.width {
                points += try await reader.sealedPoints(of: ids, from: stretch.from, to: stretch.to)
            }
        }
        return points
    }

    /// - Parameter names: of the aggregates, as the client wrote them.
    func run(
        _ query: Prepared, format: RowFormat, layout: QueryAnswer.Layout, head: QueryAnswer.Members, names: [String], slot: QuerySlot
    ) async throws -> HTTPResponse {
        let answer = QueryAnswer(format: format, layout: layout, shape: query.shape, head: head, aggregateNames: names)
        let run = QueryRun(reader: reader, query: query, answer: answer, slot: slot)
        var response = try await run.response()
        response.headers["Martlet-Tier"] = query.tier
        for header in query.completeness.headers { response.headers[header.name] = header.value }
        return response
    }

    /// Members of an answer's head that say what was asked and how it is answered.
    static func head(_ query: Prepared) -> QueryAnswer.Members {
        let window = query.shape.window
        var head: QueryAnswer.Members = [
            ("from", RowValue(Timestamp(microseconds: window.from))), ("to", RowValue(Timestamp(microseconds: window.to))),
        ]
        if let interval = query.shape.interval { head.append(("every", .string(interval.text))) }
        if let zone = query.shape.zone { head.append(("zone", .string(zone))) }
        if case .buckets = query.shape.rows { head.append(("tier", .string(query.tier))) }
        return head + query.completeness.members
    }
}
