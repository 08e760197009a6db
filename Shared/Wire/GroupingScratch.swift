/// Working memory of the columnar encoder, kept between messages: the samples' encoded order.
struct GroupingScratch: Sendable {
    /// 0, 1, 2, …
    private var identity: [Int32] = []
    private var order: [Int32] = []
    private var groupOfKey: [Int32] = []
    private var starts: [Int32] = []

    /// Hands `body` the samples' indices in encoded order: as they are, or grouped by series and type, groups by first
    /// appearance, stable within (a counting sort).
    mutating func withOrder(
        of entries: UnsafeBufferPointer<TelemetryBuffer.Entry>, series: Int, isOrdered: Bool, _ body: (UnsafeBufferPointer<Int32>) -> Void
    ) {
        if isOrdered {
            while identity.count < entries.count { identity.append(Int32(truncatingIfNeeded: identity.count)) }
            identity.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[..<entries.count])) }
            return
        }
        Self.reserve(&order, entries.count)
        Self.reserve(&groupOfKey, 4 * series)
        Self.reserve(&starts, min(entries.count, 4 * series))
        order.withUnsafeMutableBufferPointer { order in
            groupOfKey.withUnsafeMutableBufferPointer { groupOfKey in
                starts.withUnsafeMutableBufferPointer { starts in
                    Self.group(entries, keys: 4 * series, order, groupOfKey, starts)
                }
            }
            body(UnsafeBufferPointer(rebasing: order[..<entries.count]))
        }
    }

    private static func reserve(_ array: inout [Int32], _ count: Int) {
        if array.count < count { array.append(contentsOf: repeatElement(0, count: max(count - array.count, array.count))) }
    }

    private static func group(
        _ entries: UnsafeBufferPointer<TelemetryBuffer.Entry>, keys: Int, _ order: UnsafeMutableBufferPointer<Int32>,
        _ groupOfKey: UnsafeMutableBufferPointer<Int32>, _ starts: UnsafeMutableBufferPointer<Int32>
    ) {
        for key in 0..<keys { groupOfKey[key] = -1 }
        var groups = 0
        for entry in entries {
            if groupOfKey[entry.runKey] < 0 {
                groupOfKey[entry.runKey] = Int32(truncatingIfNeeded: groups)
                starts[groups] = 0
                groups += 1
            }
            starts[Int(groupOfKey[entry.runKey])] += 1
        }
        var next: Int32 = 0
        for group in 0..<groups { (starts[group], next) = (next, next + starts[group]) }
        for (index, entry) in entries.enumerated() {
            let group = Int(groupOfKey[entry.runKey])
            order[Int(starts[group])] = Int32(truncatingIfNeeded: index)
            starts[group] += 1
        }
    }
}

extension TelemetryBuffer.Entry {
    /// A number per series and type, below four times the number of series.
    fileprivate var runKey: Int { 4 * Int(series) + Int(kind.rawValue) }

    @inline(__always)
    func isOfSameRun(as other: Self) -> Bool { series == other.series && kind == other.kind }
}
