import Foundation

/// Wall-clock time that never jumps: read once, then carried on by the monotonic clock.
struct FleetClock: Sendable {
    private let wall: Int64
    private let start: ContinuousClock.Instant

    init() {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        wall = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
        start = .now
    }

    /// µs since the Unix epoch.
    var microseconds: Int64 { wall + Self.microseconds(ContinuousClock.now - start) }

    static func microseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}
