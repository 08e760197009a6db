import PostgresClient

/// Deletes what the rules of retention do not keep, whole UTC days of a series at a time, in bounded transactions. Only what is sealed is
/// looked at: raw samples never go before.
struct RetentionSweep {
    struct Dropped {
        var rule: String
        var tier: RetentionTier
        var rows = 0
        /// Only of tier raw.
        var points = 0
    }

    private static let seriesAtOnce = 1_000
    private static let rowsAtOnce = 10_000

    let connection: PostgresConnection
    let rules: RetentionRules
    let watch: SealWatch

    /// - Parameters:
    ///   - now: microseconds since the Unix epoch.
    ///   - done: told what one rule has dropped of one tier.
    func run(now: Int64, done: (Dropped) -> Void) throws {
        guard !rules.isEmpty else { return }
        var totals: [Int: [RetentionTier: Dropped]] = [:]
        defer {
            for (_, tiers) in totals.sorted(by: { $0.key < $1.key }) {
                for tier in RetentionTier.allCases { if let dropped = tiers[tier], dropped.rows > 0 { done(dropped) } }
            }
        }
        var last: Int32 = .min
        while let page = try series(after: last) {
            last = page.last
            for (index, ids) in page.byRule {
                let rule = rules.rules[index]
                for tier in RetentionTier.allCases {
                    guard let days = rule.days[tier] else { continue }
                    let end = (RollupTier.day.start(of: now) / RollupTier.day.width - days) * RollupTier.day.width
                    try drop(tier, ids, before: end) { rows, points in
                        var sum = totals[index, default: [:]][tier] ?? Dropped(rule: rule.pattern, tier: tier)
                        sum.rows += rows
                        sum.points += points
                        totals[index, default: [:]][tier] = sum
                    }
                }
            }
        }
    }

    private func series(after last: Int32) throws -> (last: Int32, byRule: [(Int, PostgresArray)])? {
        let rows = try connection.queryPrepared(
            "series_to_expire", "SELECT id, metric FROM timeseries.series WHERE id > $1 ORDER BY id LIMIT $2",
            [.int32(last), .int64(Int64(Self.seriesAtOnce))])
        var byRule: [Int: PostgresArray] = [:]
        var place: Int32?
        for row in rows {
            let id: Int32 = try row.get(0)
            place = id
            if let index = rules.index(for: try row.get(1)) { byRule[index, default: PostgresArray(of: .int4)].append(id) }
        }
        return place.map { ($0, byRule.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }) }
    }

    private func drop(_ tier: RetentionTier, _ series: PostgresArray, before end: Int64, _ done: (Int, Int) -> Void) throws {
        let (table, column) =
            switch tier {
            case .raw: ("sealed", "hour")
            case .minutes: ("rollup_minutes", "hour")
            case .hours: ("rollup_hours", "start")
            case .days: ("rollup_days", "start")
            }
        let points = tier == .raw ? "COALESCE(sum(count), 0)::int8" : "0::int8"
        while true {
            let row = try connection.queryPrepared(
                "expire_\(table)",
                """
                WITH gone AS (
                    DELETE FROM timeseries.\(table) WHERE ctid = ANY (ARRAY(
                        SELECT ctid FROM timeseries.\(table) WHERE series_id = ANY ($1::int4[]) AND \(column) < $2 LIMIT $3))
                    RETURNING \(tier == .raw ? "count" : "1")),
                noted AS (
                    UPDATE timeseries.seal_state SET dropped_before = $2 WHERE dropped_before < $2 AND EXISTS (SELECT FROM gone))
                SELECT count(*), \(points) FROM gone
                """, [.array(series), .timestamp(microseconds: end), .int64(Int64(Self.rowsAtOnce))]
            ).first
            guard let row else { return }
            let rows: Int = try row.get(0)
            if rows > 0 { done(rows, try row.get(1)) }
            try watch.observe(.expired)
            if rows < Self.rowsAtOnce { return }
            try watch.checkpoint()
        }
    }
}
