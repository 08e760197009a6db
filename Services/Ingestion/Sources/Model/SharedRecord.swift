internal import Domain

/// Which single readings of one device may follow each other in one record.
///
/// Safe is what the ledger downstream takes apart again: readings without numbers, or numbers of one stream that follow each other
/// (scope *sample*: sample i has `first` + i). A reading whose time is far off stands alone, so that a reader that refuses it refuses
/// nothing else with it.
struct SharedRecord {
    static let maximumSamples = 500
    /// Of the payloads; keeps a record far below Kafka's and the format's limits.
    static let maximumBytes = 32 << 10
    static let furthestBack: Int64 = 3_600 * 1_000_000
    static let furthestAhead: Int64 = 60 * 1_000_000

    private(set) var count = 0
    private var bytes = 0
    private var first: StreamSequence?

    /// What the record's samples are numbered by.
    var sequence: StreamSequence? {
        guard count > 1, let first else { return first }
        return StreamSequence(stream: first.stream, first: first.first, scope: .sample)
    }

    static func mayShare(time: Timestamp, now: Timestamp) -> Bool {
        let ahead = time.microseconds - now.microseconds
        return ahead >= -furthestBack && ahead <= furthestAhead
    }

    func takes(_ sequence: StreamSequence?, payloadBytes: Int) -> Bool {
        guard count > 0, count < Self.maximumSamples, bytes + payloadBytes <= Self.maximumBytes else { return false }
        switch (first, sequence) {
        case (nil, nil): return true
        case (let first?, let next?): return next.stream == first.stream && next.first == first.first + UInt64(count)
        default: return false
        }
    }

    mutating func begin(_ sequence: StreamSequence?, payloadBytes: Int) {
        count = 1
        bytes = payloadBytes
        first = sequence
    }

    mutating func add(payloadBytes: Int) {
        count += 1
        bytes += payloadBytes
    }

    mutating func end() { count = 0 }
}
