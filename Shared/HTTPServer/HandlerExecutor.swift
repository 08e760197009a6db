import Glibc
import Synchronization

/// Runs the handlers' tasks on worker threads of the server's own, and hands them over in batches.
///
/// Swift's global pool wakes a thread for each task. Here the network thread keeps what it starts in one round and hands it over at the
/// round's end: one wake-up for all of it. Jobs of other threads (a query's result, a timer) are handed over at once.
// @unchecked: `batch` is touched by the thread whose id stands in `network`, and by no other.
final class HandlerExecutor: TaskExecutor, @unchecked Sendable {
    private let queue: WorkQueue
    private let network = Atomic<UInt>(0)
    private var batch: [WorkQueue.Item] = []

    init() {
        let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        queue = WorkQueue(limit: min(max(processors, 2), 8))
    }

    /// Tasks hold their executor, so none is left.
    deinit { queue.close() }

    func enqueue(_ job: consuming ExecutorJob) {
        let item = WorkQueue.Item(job: UnownedJob(job), executor: asUnownedTaskExecutor())
        if isNetworkThread { batch.append(item) } else { queue.add(item) }
    }

    /// Makes the calling thread the one whose jobs are collected until `handOver`.
    func becomeNetworkThread() { network.store(UInt(pthread_self()), ordering: .relaxed) }

    /// On the network thread, before it waits.
    /// - Returns: whether jobs wait that should be looked after again in a millisecond.
    func handOver(now: ContinuousClock.Instant) -> Bool { queue.add(&batch, now: now) }

    /// On the network thread, when it ends: its id may be another thread's soon.
    func resignNetworkThread() {
        network.store(0, ordering: .relaxed)
        _ = handOver(now: .now)
    }

    /// Gives waiting jobs another thread if those that run do not get on.
    func relieve(now: ContinuousClock.Instant) { queue.relieve(now: now) }

    private var isNetworkThread: Bool { network.load(ordering: .relaxed) == UInt(pthread_self()) }
}
