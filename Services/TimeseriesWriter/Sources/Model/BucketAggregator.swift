import Domain

/// Which aggregates an answer holds, and what they need.
struct AggregateSelection: Sendable {
    let aggregates: [Aggregate]
    let fractions: [Double]
    let needsSteps: Bool
    let source: Aggregate.Source
    let fields: StateFields

    init(_ aggregates: [Aggregate]) {
        self.aggregates = aggregates
        fractions = aggregates.compactMap { if case .quantile(let fraction) = $0 { fraction } else { nil } }
        needsSteps = aggregates.contains { [.increase, .rate, .twa].contains($0) }
        source = aggregates.map(\.source).max() ?? .states
        fields = aggregates.reduce(into: []) { $0.formUnion($1.fields) }
    }
}

/// The aggregates of one bucket.
struct Bucket: Sendable {
    var start: Int64
    /// In the order of the selection.
    var values: [MetricValue?]
    /// Samples in it; 0 when it was filled.
    var count: Int64
    /// Whether its quantiles are those of a sketch.
    var isApproximate = false
    /// What a number that holds until the next one is worth after it.
    var held: Double?
}

/// Cuts samples and stored states of one series, in rising time, into buckets.
struct BucketAggregator {
    let grid: BucketGrid
    let window: QueryWindow
    let selection: AggregateSelection
    private var bounds: BucketGrid.Bounds?
    private var builder = StretchBuilder()
    private var isBuilding = false
    /// The only part of the bucket so far. The state of a single part is the part's own.
    private var only: (state: RollupState, tier: RollupTier, start: Timestamp)?
    private var quantiles = QuantileFold()
    private var steps = StepFold()
    /// Last value of the bucket before.
    private var before: MetricValue?

    init(grid: BucketGrid, window: QueryWindow, selection: AggregateSelection) {
        self.grid = grid
        self.window = window
        self.selection = selection
    }

    /// - Returns: the bucket before, when this sample begins a new one.
    mutating func add(_ time: Int64, _ value: MetricValue) -> Bucket? {
        let done = enter(time)
        buildOnly()
        builder.add(Timestamp(microseconds: time), value)
        if selection.source == .points {
            if !selection.fractions.isEmpty, let number = value.number { quantiles.add(number) }
            if selection.needsSteps { steps.add(time, value) }
        }
        return done
    }

    /// The state of a whole minute, hour or day that lies in one bucket; for selections that states can answer.
    mutating func add(_ state: RollupState, _ tier: RollupTier, start: Int64) -> Bucket? {
        let done = enter(start)
        if !isBuilding, only == nil {
            only = (state, tier, Timestamp(microseconds: start))
        } else {
            buildOnly()
            builder.add(state, tier, start: Timestamp(microseconds: start))
        }
        return done
    }

    private mutating func buildOnly() {
        isBuilding = true
        guard let part = only else { return }
        builder.add(part.state, part.tier, start: part.start)
        only = nil
    }

    /// The last bucket, at the end of the samples. The aggregator may then be used for the next series.
    mutating func finish() -> Bucket? {
        let done = close()
        (steps, before) = (StepFold(), nil)
        return done
    }

    private mutating func enter(_ time: Int64) -> Bucket? {
        if let bounds, time < bounds.end { return nil }
        let done = close()
        let next = grid.bounds(of: time, in: window)
        bounds = next
        if selection.needsSteps { steps.enter(start: next.start) }
        return done
    }

    private mutating func close() -> Bucket? {
        guard let bounds else { return nil }
        self.bounds = nil
        let state = only?.state ?? builder.finish()
        (only, isBuilding) = (nil, false)
        let isApproximate = quantiles.isApproximate
        let ranked = selection.fractions.isEmpty ? [] : quantiles.finish(selection.fractions)
        let stepped = selection.needsSteps ? steps.finish(end: min(bounds.end, window.knownUntil)) : nil
        var rank = 0
        let values = selection.aggregates.map { aggregate -> MetricValue? in
            switch aggregate {
            case .quantile:
                defer { rank += 1 }
                return ranked[rank].map { .double($0) }
            case .increase: return stepped?.increase
            case .rate: return stepped?.rate.map { .double($0) }
            case .twa: return stepped?.mean.map { .double($0) }
            default: return state.value(of: aggregate, before: before)
            }
        }
        before = state.last
        return Bucket(
            start: bounds.start, values: values, count: state.count, isApproximate: isApproximate, held: stepped?.lastNumber)
    }
}

extension Duration {
    var wholeMicroseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
