import Synchronization

/// Remembers which signatures were accepted for as long as they could be shown again.
///
/// Only accepted ones get in, so nobody without a secret fills it. It is bounded: when full it lets nobody in rather than forget.
final class ReplayGuard: Sendable {
    enum Verdict: Sendable { case fresh, replayed, full }

    private struct Entry: Hashable {
        let credential: UInt64
        let time: Int64
    }

    /// Entries by their time, a window each: what is more than a window ago is dropped whole.
    private struct State {
        var buckets: [Int64: Bucket] = [:]
        var count = 0
    }

    private struct Bucket {
        var entries: Set<Entry> = []
        var ofCredential: [UInt64: Int] = [:]
    }

    /// In milliseconds.
    private let window: Int64
    private let capacity: Int
    private let share: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - capacity: entries of 16 bytes.
    ///   - share: those of one credential within a window, so that no device keeps the others out.
    init(window: Duration, capacity: Int = 1_000_000, share: Int = 300) {
        self.share = share
        self.window = max(1, window.components.seconds * 1_000)
        self.capacity = capacity
    }

    /// Takes note of a signature that is right, unless it was taken before.
    /// - Parameters:
    ///   - time: of the signature, within a window of `now`; in milliseconds, as `now`.
    func take(_ credential: CredentialID, _ time: Int64, now: Int64) -> Verdict {
        let entry = Entry(credential: credential.number, time: time)
        let oldest = (now - window) / window
        return state.withLock { state in
            for key in state.buckets.keys where key < oldest { state.count -= state.buckets.removeValue(forKey: key)?.entries.count ?? 0 }
            let key = time / window
            if state.buckets[key]?.entries.contains(entry) ?? false { return .replayed }
            guard state.count < capacity, state.buckets[key]?.ofCredential[credential.number] ?? 0 < share else { return .full }
            state.buckets[key, default: Bucket()].entries.insert(entry)
            state.buckets[key, default: Bucket()].ofCredential[credential.number, default: 0] += 1
            state.count += 1
            return .fresh
        }
    }

    /// Signatures at hand.
    var count: Int { state.withLock { $0.count } }
}
