import Domain

/// A stretch of time without samples, in microseconds.
struct Gap: Equatable, Sendable {
    var from: Int64
    var to: Int64
}

/// Finds the stretches of a window, up to the present, that hold no sample for longer than a limit.
struct GapFinder {
    let window: QueryWindow
    /// Microseconds.
    let longerThan: Int64
    private var last: Int64

    init(window: QueryWindow, longerThan: Int64) {
        (self.window, self.longerThan) = (window, longerThan)
        last = window.from
    }

    /// - Returns: the gap that this sample ends.
    mutating func add(_ time: Int64) -> Gap? {
        defer { last = max(last, time) }
        return gap(until: time)
    }

    /// The gap at the end; begins anew.
    mutating func finish() -> Gap? {
        defer { last = window.from }
        return gap(until: window.knownUntil)
    }

    private func gap(until time: Int64) -> Gap? { time - last > longerThan ? Gap(from: last, to: time) : nil }
}
