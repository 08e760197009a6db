import Domain

/// A time, and how far it is to the next one.
struct Rhythm {
    private(set) var time: Int64
    private var step: Int64 = 0
    private let unit: Int64

    init(time: Int64, unit: Int64) {
        self.time = time
        self.unit = unit
    }

    /// In units.
    @inline(__always)
    mutating func change(by change: Int64) { step = step &+ change &* unit }

    @inline(__always)
    mutating func next() -> Int64 {
        time = time &+ step
        return time
    }

    /// The rhythm one step on, after a change.
    @inline(__always)
    func changed(by change: Int64) -> Rhythm {
        var after = self
        after.change(by: change)
        _ = after.next()
        return after
    }

    /// Whether the next `count` times are in range. A step from one time in range to another does not overflow, nor do all of them
    /// when the last one is in range.
    @inline(__always)
    func staysInRange(for count: Int) -> Bool {
        let (way, overflow) = step.multipliedReportingOverflow(by: Int64(count))
        let (last, lastOverflow) = time.addingReportingOverflow(way)
        return !overflow && !lastOverflow && Timestamp(microseconds: last).isRepresentable
    }

    /// Whether no block of short codes leads out of the range: ten steps, each at most 320 units longer than the last one now.
    @inline(__always)
    var isFarFromLimits: Bool {
        let (margin, longest) = (Int64(1) << 44, UInt64(1) << 40)
        return step.magnitude < longest && time > Timestamp.earliest.microseconds + margin
            && time < Timestamp.latest.microseconds - margin
    }
}
