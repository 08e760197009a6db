import Synchronization

/// So many a minute for each key, in bursts of a tenth. Bounded: keys are such as were proven to exist.
final class RateLimit: Sendable {
    /// Beyond that those that are full again are forgotten, which changes nothing for them.
    private static let mostKeys = 10_000

    private struct Bucket {
        var tokens: Double
        var filled: ContinuousClock.Instant
    }

    private let perSecond: Double
    private let burst: Double
    private let buckets = Mutex<[CredentialID: Bucket]>([:])

    init(perMinute: Int) {
        perSecond = Double(perMinute) / 60
        burst = max(1, Double(perMinute) / 10)
    }

    /// - Returns: nil when it is one of those allowed; else after how many seconds to ask again.
    func take(_ key: CredentialID, now: ContinuousClock.Instant = .now) -> Int? {
        buckets.withLock { buckets in
            if buckets.count >= Self.mostKeys, buckets[key] == nil { buckets = buckets.filter { !isFull($0.value, now) } }
            var bucket = buckets[key] ?? Bucket(tokens: burst, filled: now)
            bucket.tokens = level(bucket, now)
            bucket.filled = now
            defer { buckets[key] = bucket }
            guard bucket.tokens < 1 else {
                bucket.tokens -= 1
                return nil
            }
            return max(1, Int(((1 - bucket.tokens) / perSecond).rounded(.up)))
        }
    }

    private func level(_ bucket: Bucket, _ now: ContinuousClock.Instant) -> Double {
        let passed = (now - bucket.filled).components
        return min(burst, bucket.tokens + (Double(passed.seconds) + Double(passed.attoseconds) / 1e18) * perSecond)
    }

    private func isFull(_ bucket: Bucket, _ now: ContinuousClock.Instant) -> Bool { level(bucket, now) >= burst }
}
