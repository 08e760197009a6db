import Domain

/// The state of any stretch of time, put together in one fixed order: samples make minutes, minutes hours, hours days, days the stretch. An
/// answer therefore has the same bits whether it is made from samples or from the states that sealing has stored.
struct StretchBuilder {
    /// Open states of the minute, hour and day that the last part lay in, and of the whole.
    private var open = [RollupBuilder](repeating: RollupBuilder(), count: RollupTier.allCases.count + 1)
    private var starts = [Int64](repeating: .min, count: RollupTier.allCases.count)

    /// Samples in rising time.
    mutating func add(_ time: Timestamp, _ value: MetricValue) {
        // Most samples lie in the minute of the one before.
        let (distance, overflow) = time.microseconds.subtractingReportingOverflow(starts[0])
        if overflow || distance < 0 || distance >= RollupTier.minute.width { enter(time.microseconds, below: 0) }
        open[0].add(value)
    }

    /// The state of one whole minute, hour or day that lies in the stretch, in rising time, too.
    mutating func add(_ part: RollupState, _ tier: RollupTier, start: Timestamp) {
        enter(start.microseconds, below: tier.rawValue + 1)
        open[tier.rawValue + 1].merge(part)
    }

    /// The state of all; the builder is empty afterwards.
    mutating func finish() -> RollupState {
        close(through: RollupTier.day.rawValue)
        defer { self = StretchBuilder() }
        return open[RollupTier.allCases.count].finish()
    }

    var isEmpty: Bool { open.allSatisfy { $0.count == 0 } }

    /// Closes what `time` lies beyond. Tiers below `level` are closed in any case: what comes is itself one of theirs.
    private mutating func enter(_ time: Int64, below level: Int) {
        var last = level - 1
        for tier in RollupTier.allCases where tier.start(of: time) != starts[tier.rawValue] { last = max(last, tier.rawValue) }
        close(through: last)
        for tier in RollupTier.allCases { starts[tier.rawValue] = tier.start(of: time) }
    }

    private mutating func close(through last: Int) {
        guard last >= 0 else { return }
        for level in 0...last where open[level].count > 0 {
            open[level + 1].merge(open[level].finish())
            open[level] = RollupBuilder()
        }
    }
}
