import Domain

/// What depends on how each number follows the one before: the growth of counters and the mean over time. Fed with the numbers of a series
/// in order; a bucket takes over from the one before it, so that buckets side by side add up to the whole.
struct StepFold {
    private struct Last {
        var time: Int64
        var value: MetricValue
        var number: Double
    }

    private var last: Last?
    /// The begin of the time over which the counter's growth is known.
    private var growthStart: Int64?
    private var steps = 0
    private var exactGrowth: Int128 = 0
    private var growth = CompensatedSum()
    private var isExact = true
    /// From where on `last` has to be weighed.
    private var heldFrom: Int64 = 0
    private var area = CompensatedSum()
    private var held: Int64 = 0

    struct Result {
        /// The counter's growth; nil with less than two numbers.
        var increase: MetricValue?
        /// Per second, over the time between the numbers.
        var rate: Double?
        /// Mean over time, each number holding until the next one.
        var mean: Double?
        /// What holds at the end.
        var lastNumber: Double?
    }

    /// NaN, booleans and texts are passed over.
    mutating func add(_ time: Int64, _ value: MetricValue) {
        guard let number = value.number else { return }
        if let last {
            grow(from: last, to: value, number)
            weigh(until: time)
        } else {
            growthStart = time
        }
        heldFrom = time
        last = Last(time: time, value: value, number: number)
    }

    /// A counter that falls has begun anew at zero.
    private mutating func grow(from last: Last, to value: MetricValue, _ number: Double) {
        steps += 1
        if case .int(let now) = value, case .int(let before) = last.value {
            exactGrowth += Int128(now) - (now < before ? 0 : Int128(before))
        } else {
            isExact = false
            growth.add(number < last.number ? number : number - last.number)
        }
    }

    private mutating func weigh(until time: Int64) {
        guard let last, time > heldFrom else { return }
        let seconds = Double(time - heldFrom) / 1e6
        area.add(last.number * seconds)
        held += time - heldFrom
        heldFrom = time
    }

    /// Ends the bucket.
    /// - Parameter end: until when its last number holds.
    mutating func finish(end: Int64) -> Result {
        weigh(until: end)
        var result = Result(lastNumber: last?.number)
        if steps > 0, let last, let growthStart {
            let total = exactTotal
            result.increase = total
            let seconds = Double(last.time - growthStart) / 1e6
            result.rate = seconds > 0 ? total.number.map { $0 / seconds } : nil
        }
        // Numbers that are all of one moment weigh nothing: the last one stands.
        result.mean = held > 0 ? area.value / (Double(held) / 1e6) : last?.number
        begin()
        return result
    }

    private var exactTotal: MetricValue {
        if isExact, let exact = Int64(exactly: exactGrowth) { return .int(exact) }
        return .double(Double(exactGrowth) + growth.value)
    }

    /// The next bucket goes on from the last number; time without a number of its own is not added to it until one comes.
    private mutating func begin() {
        growthStart = last?.time
        (steps, exactGrowth, isExact) = (0, 0, true)
        (growth, area, held) = (CompensatedSum(), CompensatedSum(), 0)
    }

    /// The next bucket with samples begins at `start`: what was held before belongs to empty ones.
    mutating func enter(start: Int64) {
        if last != nil { heldFrom = Swift.max(heldFrom, start) }
    }
}
