import Domain

/// A sample as it lies in storage, with its place in the order of its series.
struct StoredSample: Sendable, Equatable {
    var key: SampleKey
    var value: MetricValue
    var quality: Quality
}

/// Place of a sample in its series: by time, then by where its row lies, which never changes. So pages can end between two samples of the
/// same time.
struct SampleKey: Sendable, Hashable, Comparable {
    var time: Timestamp
    var block: UInt32
    var line: UInt16

    static func < (left: Self, right: Self) -> Bool {
        (left.time, left.block, left.line) < (right.time, right.block, right.line)
    }
}

extension Quality {
    /// `good`, or the doubts joined by `+`.
    var text: String {
        if isEmpty { return "good" }
        let names: [(Quality, String)] = [
            (.uncertain, "uncertain"), (.bad, "bad"), (.timeClamped, "time_clamped"), (.timeAssigned, "time_assigned"),
        ]
        return names.filter { contains($0.0) }.map(\.1).joined(separator: "+")
    }
}
