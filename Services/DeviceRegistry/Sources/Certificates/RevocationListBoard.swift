import Crypto
import Domain
import Synchronization

/// The list of revoked certificates that is in force, for whoever asks.
final class RevocationListBoard: Sendable {
    private struct State {
        var list: RevocationList?
        /// Certificates on it.
        var count = 0
        var madeAt: Timestamp?
        var startsAt: Int64?
    }

    private let state = Mutex(State())

    var list: RevocationList? { state.withLock { $0.list } }

    var count: Int { state.withLock { $0.count } }

    var madeAt: Timestamp? { state.withLock { $0.madeAt } }

    /// The date that the list bears, in seconds since the Unix epoch.
    var startsAt: Int64? { state.withLock { $0.startsAt } }

    func post(_ list: RevocationList, count: Int, startsAt: Int64, at now: Timestamp) {
        state.withLock { $0 = State(list: list, count: count, madeAt: now, startsAt: startsAt) }
    }
}
