/// What became of the messages of one batch. A message is done when every record made from it is stored; a batch may be
/// acknowledged when all its messages are done.
///
/// A pure value: the records' tags come from here, their fates go in here.
struct BatchLedger {
    enum Outcome: Equatable {
        case produced(samples: Int)
        /// The index of the reason among `Rejection.reasonCodes`.
        case rejected(reason: Int)
    }

    private struct Entry {
        var outstanding: UInt32 = 0
        var failed = false
        var outcome = Outcome.produced(samples: 0)
    }

    private var entries: [Entry] = []
    private(set) var outstandingRecords = 0
    private(set) var hasFailure = false

    var messages: Int { entries.count }
    var isSafe: Bool { outstandingRecords == 0 && !hasFailure }

    /// Forgets the batch, keeps the memory.
    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        outstandingRecords = 0
        hasFailure = false
    }

    /// - Returns: the tag for the records of the message.
    mutating func beginMessage() -> UInt64 {
        entries.append(Entry())
        return UInt64(entries.count - 1)
    }

    mutating func recordSent(tag: UInt64) {
        entries[Int(tag)].outstanding += 1
        outstandingRecords += 1
    }

    mutating func settle(tag: UInt64, as outcome: Outcome) { entries[Int(tag)].outcome = outcome }

    mutating func fail(tag: UInt64) {
        entries[Int(tag)].failed = true
        hasFailure = true
    }

    /// - Returns: false for a report that belongs to no record of this batch.
    @discardableResult
    mutating func recordReported(tag: UInt64, stored: Bool) -> Bool {
        guard tag < entries.count, entries[Int(tag)].outstanding > 0 else { return false }
        entries[Int(tag)].outstanding -= 1
        outstandingRecords -= 1
        if !stored { fail(tag: tag) }
        return true
    }

    /// Counts the batch. `returned` are the messages whose fate is not known to be good: the broker will deliver them again.
    func summary(reasons: Int) -> BatchSummary {
        var summary = BatchSummary(rejected: [Int](repeating: 0, count: reasons))
        for entry in entries {
            if entry.failed || entry.outstanding > 0 {
                summary.returned += 1
                continue
            }
            switch entry.outcome {
            case .produced(let samples):
                summary.produced += 1
                summary.samples += samples
            case .rejected(let reason): summary.rejected[reason] += 1
            }
        }
        return summary
    }
}

struct BatchSummary: Equatable {
    var produced = 0
    var samples = 0
    /// By reason.
    var rejected: [Int]
    var returned = 0
    var rejectedTotal: Int { rejected.reduce(0, +) }
}
