import CAllocationCount

/// Time and allocations of one operation.
struct Measurement {
    /// Median over the rounds.
    let nanoseconds: Double
    let allocations: Double

    /// Runs `body` `operations` times a round; the first round warms up and does not count.
    init(rounds: Int = 7, operations: Int, _ body: () throws -> Void) rethrows {
        var times: [Double] = []
        var allocated: UInt = 0
        for round in 0...rounds {
            let allocatedBefore = allocation_count()
            let start = ContinuousClock.now
            for _ in 0..<operations { try body() }
            let elapsed = start.duration(to: .now)
            guard round > 0 else { continue }
            allocated = allocation_count() - allocatedBefore
            times.append(elapsed / .nanoseconds(1) / Double(operations))
        }
        times.sort()
        nanoseconds = times[times.count / 2]
        allocations = Double(allocated) / Double(operations)
    }
}

/// Keeps the optimizer from dropping what is only measured.
@inline(never)
func keep<T>(_ value: T) {}
