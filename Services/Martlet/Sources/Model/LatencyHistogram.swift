/// Latencies in buckets that grow by an eighth of a power of two: quantiles within 9 %, from 1 µs to hours, in fixed memory.
struct LatencyHistogram: Sendable {
    private var buckets = [Int](repeating: 0, count: 40 * 8)
    private(set) var count = 0

    mutating func record(microseconds: Int64) {
        buckets[Self.bucket(UInt64(max(1, microseconds)))] += 1
        count += 1
    }

    private static func bucket(_ value: UInt64) -> Int {
        let exponent = 63 - value.leadingZeroBitCount
        let fraction = exponent >= 3 ? value >> UInt64(exponent - 3) & 7 : (value << UInt64(3 - exponent)) & 7
        return min(exponent * 8 + Int(fraction), 40 * 8 - 1)
    }

    /// Upper edge of the bucket that holds the quantile, in µs; `nil` without any value.
    func quantile(_ share: Double) -> Int64? {
        guard count > 0 else { return nil }
        var rest = Int((Double(count) * share).rounded(.up))
        for (index, bucket) in buckets.enumerated() {
            rest -= bucket
            if rest <= 0, bucket > 0 { return Int64((Double(index % 8 + 9) / 8 * Double(1 << (index / 8))).rounded()) }
        }
        return nil
    }
}
