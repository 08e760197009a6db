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
    ///   - sealedBefore: states are stored of all that is older; nil when there are none.
    init(grid: BucketGrid, window: QueryWindow, source: Aggregate.Source, sealedBefore: Int64?) {
        let tier = source == .states ? grid.tier(in: window) : nil
        let end = min(window.to, sealedBefore ?? window.from)
        var parts: [QueryStretch] = []
        if let tier, end > window.from {
            Self.cover(window.from, end, tier, &parts)
            if end < window.to { parts.append(QueryStretch(from: end, to: window.to, tier: nil)) }
        } else {
            parts.append(QueryStretch(from: window.from, to: window.to, tier: nil))
        }
        stretches = Self.joined(parts)
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

/// How much of an answer came from where.
struct QueryTally: Equatable, Sendable {
    var points: Int64 = 0
    /// By tier.
    var states = [Int64](repeating: 0, count: RollupTier.allCases.count)
}
