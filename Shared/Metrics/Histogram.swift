import Synchronization

/// Counts observations in buckets by their size; durations are in seconds.
public final class Histogram: Sendable {
    /// From 100 µs to 10 s, about two and a half steps a decade: the latency of a hop or of a request.
    public static let latencyBuckets: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// Upper bounds, ascending and finite; one more bucket takes what is above them all.
    let bounds: [Double]
    // Atomics cannot live in an array; each bucket is an object of its own.
    private let buckets: [Counter]
    private let total = Atomic<Double>(0)

    init(bounds: [Double]) {
        self.bounds = Set(bounds.filter(\.isFinite)).sorted()
        buckets = (0...self.bounds.count).map { _ in Counter() }
    }

    /// Takes one observation. One that is not a number is left out, it would spoil the sum for ever.
    public func observe(_ value: Double) {
        guard !value.isNaN else { return }
        buckets[bucket(of: value)].increment()
        total.add(value)
    }

    /// Takes a duration, in seconds.
    public func observe(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        observe(Double(seconds) + Double(attoseconds) * 1e-18)
    }

    public var count: UInt64 { buckets.reduce(0) { $0 &+ $1.value } }

    public var sum: Double { total.load(ordering: .relaxed) }

    /// Estimates a quantile as Prometheus' `histogram_quantile` does: linear inside the bucket; the highest bound when the quantile
    /// lies above all bounds; not a number while nothing has been observed.
    /// - Parameter fraction: 0…1, for example 0.99.
    public func quantile(_ fraction: Double) -> Double {
        let counts = buckets.map(\.value)
        let count = counts.reduce(0, +)
        guard count > 0, let highest = bounds.last else { return .nan }
        let rank = min(max(fraction, 0), 1) * Double(count)
        var below: UInt64 = 0
        for (index, bound) in bounds.enumerated() {
            let inside = counts[index]
            if inside > 0, Double(below + inside) >= rank {
                let lower = index > 0 ? bounds[index - 1] : min(0, bound)
                return lower + (bound - lower) * (rank - Double(below)) / Double(inside)
            }
            below += inside
        }
        return highest
    }

    /// How many observations fell at or below each bound; the last entry counts them all.
    func cumulativeCounts() -> [UInt64] {
        var running: UInt64 = 0
        return buckets.map { bucket in
            running &+= bucket.value
            return running
        }
    }

    private func bucket(of value: Double) -> Int {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if value <= bounds[middle] { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
