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
        var buckets: [Int64: Set<Entry>] = [:]
        var count = 0
    }

    /// In milliseconds.
    private let window: Int64
    private let capacity: Int
    private let state = Mutex(State())

    /// - Parameter capacity: entries of 16 bytes.
    init(window: Duration, capacity: Int = 1_000_000) {
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
            for bucket in state.buckets.keys where bucket < oldest { state.count -= state.buckets.removeValue(forKey: bucket)?.count ?? 0 }
            if state.buckets[time / window]?.contains(entry) ?? false { return .replayed }
            guard state.count < capacity else { return .full }
            state.buckets[time / window, default: []].insert(entry)
            state.count += 1
            return .fresh
        }
    }

    /// Signatures at hand.
    var count: Int { state.withLock { $0.count } }
}
