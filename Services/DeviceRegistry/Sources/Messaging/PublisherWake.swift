import Synchronization
import Dispatch

/// Wakes the publisher when this replica has committed a change; changes of other replicas and by hand it finds by asking.
final class PublisherWake: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    /// One signal is kept, so that a change that comes between the look and the wait is not overslept.
    private let isSignalled = Atomic<Bool>(false)

    func signal() {
        if !isSignalled.exchange(true, ordering: .acquiringAndReleasing) { semaphore.signal() }
    }

    /// Blocks the calling thread until a signal or the end of `duration`.
    func wait(atMost duration: Duration) {
        let (seconds, attoseconds) = duration.components
        if semaphore.wait(timeout: .now() + .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))) == .success {
            isSignalled.store(false, ordering: .releasing)
        }
    }
}
