import Domain

/// What stands in buckets without samples.
enum FillMode: String, CaseIterable, Sendable {
    /// They are left out.
    case none
    case null
    /// The values of the bucket before.
    case previous
    /// On the straight line between the buckets before and after; null where one of them is missing or no number.
    case linear
}

/// Puts in the buckets that have no samples, from the window's begin to its end. A count is never made up: it is 0 there.
struct BucketFill {
    let mode: FillMode
    let grid: BucketGrid
    let window: QueryWindow
    let aggregates: [Aggregate]
    private var next: Int64?
    private var last: Bucket?

    init(mode: FillMode, grid: BucketGrid, window: QueryWindow, aggregates: [Aggregate]) {
        (self.mode, self.grid, self.window, self.aggregates) = (mode, grid, window, aggregates)
    }

    /// Gives the empty buckets before this one, then the bucket.
    mutating func add(_ bucket: Bucket, _ emit: (Bucket) -> Void) {
        if mode != .none {
            fill(until: bucket.start, towards: bucket, emit)
            next = grid.bounds(of: max(bucket.start, window.from), in: window).end
            last = bucket
        }
        emit(bucket)
    }

    /// The empty buckets behind the last one; begins anew.
    mutating func finish(_ emit: (Bucket) -> Void) {
        if mode != .none { fill(until: window.to, towards: nil, emit) }
        (next, last) = (nil, nil)
    }

    private func fill(until end: Int64, towards following: Bucket?, _ emit: (Bucket) -> Void) {
        var time = next ?? window.from
        while time < end {
            let bounds = grid.bounds(of: time, in: window)
            guard bounds.start < end else { return }
            emit(Bucket(start: bounds.start, values: values(at: bounds.start, towards: following), count: 0))
            time = bounds.end
        }
    }

    private func values(at start: Int64, towards following: Bucket?) -> [MetricValue?] {
        aggregates.indices.map { index in
            if aggregates[index] == .count { return .int(0) }
            switch mode {
            case .none, .null: return nil
            case .previous:
                // Over an empty bucket the mean over time is what holds since the last number.
                return aggregates[index] == .twa ? last?.held.map { .double($0) } : last?.values[index]
            case .linear:
                guard let last, let following, let low = last.values[index]?.number, let high = following.values[index]?.number else {
                    return nil
                }
                let share = Double(start - last.start) / Double(following.start - last.start)
                return .double(low + (high - low) * share)
            }
        }
    }
}
