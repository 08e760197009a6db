import Domain

/// A part of the window and where its answer comes from.
struct QueryStretch: Equatable, Sendable {
    var from: Int64
    var to: Int64
    /// Nil: from the samples themselves.
    var tier: RollupTier?
}

/// Cuts a window into the coarsest stored states that give the exact answer and the samples that lie between and beside them.
struct QueryPlan: Equatable, Sendable {
    let stretches: [QueryStretch]

    /// - Parameters:
    ///   - source: what the aggregates need.
    ///   - sealedBefore: states are stored of all that is older.
    ///   - horizon: all that is not older is stored as it came. What lies between the two is being sealed.
    init(grid: BucketGrid, window: QueryWindow, source: Aggregate.Source, sealedBefore: Int64 = .min, horizon: Int64 = .min) {
        let tier = source == .states && sealedBefore > window.from ? grid.tier(in: window) : nil
        let end = min(window.to, sealedBefore)
        var parts: [QueryStretch] = []
        if let tier, end > window.from {
            Self.cover(window.from, end, tier, &parts)
            if end < window.to { parts.append(QueryStretch(from: end, to: window.to, tier: nil)) }
        } else {
            parts.append(QueryStretch(from: window.from, to: window.to, tier: nil))
        }
        stretches = Self.joined(parts).flatMap { Self.split($0, at: [sealedBefore, horizon]) }
    }

    /// The whole stretches of the tier, and the finer ones at both edges.
    private static func cover(_ from: Int64, _ to: Int64, _ tier: RollupTier?, _ parts: inout [QueryStretch]) {
        guard from < to else { return }
        guard let tier else { return parts.append(QueryStretch(from: from, to: to, tier: nil)) }
        let floor = tier.start(of: from)
        let (first, last) = (floor == from ? from : floor + tier.width, tier.start(of: to))
        let finer = RollupTier(rawValue: tier.rawValue - 1)
        guard first < last else { return cover(from, to, finer, &parts) }
        cover(from, first, finer, &parts)
        parts.append(QueryStretch(from: first, to: last, tier: tier))
        cover(last, to, finer, &parts)
    }

    private static func joined(_ parts: [QueryStretch]) -> [QueryStretch] {
        parts.reduce(into: []) { joined, part in
            if let last = joined.last, last.tier == part.tier, last.to == part.from {
                joined[joined.count - 1].to = part.to
            } else {
                joined.append(part)
            }
        }
    }

    /// Samples of before, between and after are read from different places.
    private static func split(_ stretch: QueryStretch, at times: [Int64]) -> [QueryStretch] {
        let inner = Set(times.filter { $0 > stretch.from && $0 < stretch.to })
        let edges = [stretch.from] + inner.sorted() + [stretch.to]
        return zip(edges, edges.dropFirst()).map { QueryStretch(from: $0, to: $1, tier: stretch.tier) }
    }

    /// The coarsest one in use; nil when all comes from samples.
    var tier: RollupTier? { stretches.compactMap(\.tier).max() }

    /// States to read per series at the most.
    var stateCount: Int64 {
        stretches.reduce(0) { count, stretch in count + (stretch.tier.map { (stretch.to - stretch.from) / $0.width } ?? 0) }
    }
}

extension RollupTier {
    /// As answers name it.
    var name: String {
        switch self {
        case .minute: "minute"
        case .hour: "hour"
        case .day: "day"
        }
    }
}

extension RollupTier {
    /// Stretches of a window whose states must not be used because samples of these hours came late: to be read from the samples.
    func holes(ofLate hours: [Int64], in stretch: QueryStretch) -> [QueryStretch] {
        // A minute's state is stored with its hour's.
        let unit = Swift.max(self, .hour)
        var holes: [QueryStretch] = []
        for hour in hours {
            let start = unit.start(of: hour)
            let hole = QueryStretch(from: Swift.max(start, stretch.from), to: Swift.min(start + unit.width, stretch.to), tier: nil)
            if hole.from < hole.to, holes.last != hole { holes.append(hole) }
        }
        return holes
    }
}

/// How much of an answer came from where.
struct QueryTally: Equatable, Sendable {
    var points: Int64 = 0
    /// By tier.
    var states = [Int64](repeating: 0, count: RollupTier.allCases.count)
}
