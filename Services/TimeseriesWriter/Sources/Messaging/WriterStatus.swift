import Synchronization

/// What the consumer's loop says about itself to readiness checks.
final class WriterStatus: Sendable {
    private struct State {
        var isMigrated = false
        var partitions = 0
        var failure: String?
        var incident: String?
    }
    private let state = Mutex(State())

    var isMigrated: Bool { state.withLock(\.isMigrated) }
    /// Partitions this replica consumes.
    var partitions: Int { state.withLock(\.partitions) }

    func migrated() { state.withLock { $0.isMigrated = true } }
    func assigned(_ count: Int) { state.withLock { $0.partitions = count } }
    func failed(_ reason: String?) { state.withLock { $0.failure = reason } }
    func incident(_ reason: String?) { state.withLock { $0.incident = reason } }

    /// Why the service is not consuming; nil while it is.
    var whyNotConsuming: String? {
        state.withLock { state in
            if !state.isMigrated { return "the schema is not migrated yet" + (state.failure.map { ": \($0)" } ?? "") }
            if let incident = state.incident { return incident }
            if let failure = state.failure { return failure }
            return state.partitions == 0 ? "no partition is assigned to this replica yet" : nil
        }
    }
}
