internal import Dispatch

/// Waits between attempts: doubling, with jitter so that replicas do not come back in step, ended at once by shutdown.
public struct Backoff {
    private let first: Duration
    private let limit: Duration
    private let random: () -> Double
    public private(set) var attempts = 0

    /// - Parameters:
    ///   - first: before jitter.
    ///   - random: 0…1.
    public init(
        first: Duration = .milliseconds(100), limit: Duration = .seconds(5), random: @escaping () -> Double = { .random(in: 0...1) }
    ) {
        self.first = first
        self.limit = limit
        self.random = random
    }

    public mutating func reset() { attempts = 0 }

    /// The next delay: between half and all of first × 2^attempts, at most `limit`.
    public mutating func next() -> Duration {
        let whole = min(limit, first * (1 << min(attempts, 16)))
        attempts += 1
        return whole * (0.5 + 0.5 * random())
    }
}

extension ShutdownSignal {
    /// Blocks the calling thread until the end is asked for or `duration` is over.
    public func wait(atMost duration: Duration) {
        let semaphore = DispatchSemaphore(value: 0)
        let hook = onShutdown { semaphore.signal() }
        defer { removeHook(hook) }
        let (seconds, attoseconds) = duration.components
        _ = semaphore.wait(timeout: .now() + .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)))
    }
}
