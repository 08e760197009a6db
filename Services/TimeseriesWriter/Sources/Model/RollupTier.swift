import Domain

/// The widths that samples are rolled up to, finest first. All begin at multiples of themselves since the Unix epoch, UTC.
enum RollupTier: Int, CaseIterable, Sendable, Comparable {
    case minute, hour, day

    /// Microseconds.
    var width: Int64 {
        switch self {
        case .minute: 60_000_000
        case .hour: 3_600_000_000
        case .day: 86_400_000_000
        }
    }

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Begin of the stretch that `time` (microseconds since the epoch) lies in.
    func start(of time: Int64) -> Int64 {
        let remainder = time % width
        return time - (remainder < 0 ? remainder + width : remainder)
    }
}
