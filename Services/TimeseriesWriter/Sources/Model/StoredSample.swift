import Domain

/// A sample as it lies in storage, with its place in the order of its series.
struct StoredSample: Sendable, Equatable {
    var key: SampleKey
    var value: MetricValue
    var quality: Quality
}

/// Place of a sample in its series: by time, then its number among the samples of the same time, in order of arrival. It stays when the
/// sample is sealed, so pages can end between two samples of the same time.
struct SampleKey: Sendable, Hashable, Comparable {
    var time: Timestamp
    var ordinal: UInt32

    static func < (left: Self, right: Self) -> Bool { (left.time, left.ordinal) < (right.time, right.ordinal) }
}

/// The samples of one series out of several places, each in order of time, as one.
enum SampleMerge {
    /// - Parameters:
    ///   - sources: at equal times what the first holds came before what the next holds. Those of the first time are complete, so that they
    ///     can be counted.
    ///   - key: only what comes behind it.
    static func merge(_ sources: [[StoredSample]], after key: SampleKey?, limit: Int) -> [StoredSample] {
        var places = sources.map(\.startIndex)
        var merged: [StoredSample] = []
        var time: Timestamp?
        var ordinal: UInt32 = 0
        while merged.count < limit {
            var first: Int?
            for source in sources.indices where places[source] < sources[source].endIndex {
                let candidate = sources[source][places[source]].key.time
                if first.map({ candidate < sources[$0][places[$0]].key.time }) ?? true { first = source }
            }
            guard let first else { break }
            var sample = sources[first][places[first]]
            places[first] += 1
            ordinal = sample.key.time == time ? ordinal + 1 : 0
            time = sample.key.time
            sample.key.ordinal = ordinal
            if key.map({ $0 < sample.key }) ?? true { merged.append(sample) }
        }
        return merged
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
