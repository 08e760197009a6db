import CAllocationCount
import Glibc

/// Processor time (not wall time: other processes of the machine matter less) and allocations of one operation.
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
            let start = Self.processorNanoseconds()
            for _ in 0..<operations { try body() }
            let elapsed = Self.processorNanoseconds() - start
            guard round > 0 else { continue }
            allocated = allocation_count() - allocatedBefore
            times.append(Double(elapsed) / Double(operations))
        }
        times.sort()
        nanoseconds = times[times.count / 2]
        allocations = Double(allocated) / Double(operations)
    }

    /// Of this thread.
    private static func processorNanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

/// Keeps the optimizer from dropping what is only measured.
@inline(never)
func keep<T>(_ value: T) {}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
