/// What became of the messages of one batch. A message is done when every record that it is part of is stored; a batch may be
/// acknowledged when all its messages are done. A message may make several records, and a record may hold several messages.
///
/// A pure value: the records' tags come from here, their fates go in here.
struct BatchLedger {
    enum Outcome: Equatable {
        case produced(samples: Int)
        /// The index of the reason among `Rejection.reasonCodes`.
        case rejected(reason: Int)
        /// Likewise, but no record says so.
        case dropped(reason: Int)
    }

    private struct Entry {
        var records: Range<UInt32>
        var outcome: Outcome
    }

    private enum Fate: UInt8 { case open, stored, failed }

    private var entries: [Entry] = []
    private var fates: [Fate] = []
    /// Messages that nothing was made of.
    private var abandoned = 0
    private(set) var outstandingRecords = 0
    private(set) var hasFailure = false

    var messages: Int { entries.count + abandoned }
    var isSafe: Bool { outstandingRecords == 0 && !hasFailure }

    /// Forgets the batch, keeps the memory.
    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        fates.removeAll(keepingCapacity: true)
        abandoned = 0
        outstandingRecords = 0
        hasFailure = false
    }

    /// - Returns: the record's tag; tags rise by one.
    mutating func beginRecord() -> UInt64 {
        fates.append(.open)
        outstandingRecords += 1
        return UInt64(fates.count - 1)
    }

    /// A message that is in `count` records from `tag` on.
    mutating func settle(as outcome: Outcome, from tag: UInt64, count: Int = 1) {
        entries.append(Entry(records: UInt32(tag)..<UInt32(tag) + UInt32(count), outcome: outcome))
    }

    /// A message that nothing is to be made of: it is done, whatever becomes of its neighbours.
    mutating func drop(reason: Int) {
        entries.append(Entry(records: 0..<0, outcome: .dropped(reason: reason)))
    }

    /// A message that nothing was made of: it must not be acknowledged.
    mutating func abandon() {
        abandoned += 1
        hasFailure = true
    }

    /// - Returns: false for a report that belongs to no record of this batch.
    @discardableResult
    mutating func recordReported(tag: UInt64, stored: Bool) -> Bool {
        guard tag < fates.count, fates[Int(tag)] == .open else { return false }
        fates[Int(tag)] = stored ? .stored : .failed
        outstandingRecords -= 1
        if !stored { hasFailure = true }
        return true
    }

    /// Counts the batch. `returned` are the messages whose fate is not known to be good: the broker will deliver them again.
    func summary(reasons: Int) -> BatchSummary {
        var summary = BatchSummary(rejected: [Int](repeating: 0, count: reasons))
        summary.returned = abandoned
        summary.records = fates.count { $0 == .stored }
        for entry in entries {
            if !isSafe, entry.records.contains(where: { fates[Int($0)] != .stored }) {
                summary.returned += 1
                continue
            }
            switch entry.outcome {
            case .produced(let samples):
                summary.produced += 1
                summary.samples += samples
            case .rejected(let reason): summary.rejected[reason] += 1
            case .dropped(let reason):
                if summary.dropped.isEmpty { summary.dropped = [Int](repeating: 0, count: reasons) }
                summary.dropped[reason] += 1
            }
        }
        return summary
    }
}

struct BatchSummary: Equatable {
    var produced = 0
    var samples = 0
    /// Records stored, dead letters included.
    var records = 0
    /// Dead letters, by reason.
    var rejected: [Int]
    /// Refused without a record, by reason; empty for none.
    var dropped: [Int] = []
    var returned = 0
    var rejectedTotal: Int { rejected.reduce(0, +) + dropped.reduce(0, +) }
}
