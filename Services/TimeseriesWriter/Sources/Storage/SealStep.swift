/// The points of a sealing run at which a fault must leave the old or the new. Tests inject failures at them.
enum SealStep: String, CaseIterable, Sendable {
    /// The horizon has risen.
    case raised
    /// Of a day: locked, some rows read, what they became written, its partition dropped, committed.
    case locked, read, written, dropped, committed
    /// Of late samples: taken out, the hours around them read, the new hours written, committed.
    case lateTaken, lateRead, lateWritten, lateCommitted
    /// Of retention: some rows deleted.
    case expired
}

/// What a sealing run watches between its steps.
struct SealWatch {
    /// Told of each step; what it throws fails the run there.
    var observe: (SealStep) throws -> Void = { _ in }
    /// Asked between blocks of work.
    var isStopping: () -> Bool = { false }
    /// Waits, less when the end is asked for.
    var wait: (Duration) -> Void = { _ in }

    func checkpoint() throws { if isStopping() { throw SealError.stopping } }
}

enum SealError: Error, CustomStringConvertible {
    case stopping
    case partitionInUse(String, attempts: Int)

    var description: String {
        switch self {
        case .stopping: "the service is stopping"
        case .partitionInUse(let name, let attempts):
            "partition \(name) could not be dropped in \(attempts) attempts because sessions read timeseries.samples all the time; nothing "
                + "was changed, the next run tries again. See pg_stat_activity for long transactions"
        }
    }
}
