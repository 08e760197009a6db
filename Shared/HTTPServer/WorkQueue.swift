import Glibc
import Threads

/// Swift jobs that wait for a worker thread, and the rules by which workers are woken.
///
/// Waking a thread costs more than most answers do, so it is done rarely: one worker takes what comes as long as it keeps up, a second one
/// is woken (or made) when the first has begun nothing new for a millisecond while jobs wait.
// @unchecked: every stored `var` is read and written under `condition` only.
final class WorkQueue: @unchecked Sendable {
    struct Item {
        let job: UnownedJob
        let executor: UnownedTaskExecutor
    }

    private let condition = ThreadCondition()
    private let limit: Int
    private var items: [Item] = []
    private var head = 0
    /// By worker: its thread, and the jobs that its current job has added.
    private var workers: [(thread: pthread_t, added: Int)] = []
    private var started = 0
    private var asleep = 0
    /// Workers that were woken and have not noticed yet.
    private var woken = 0
    private var isClosed = false
    private var begun: UInt64 = 0
    private var lookedAt: (begun: UInt64, since: ContinuousClock.Instant)?

    /// - Parameter limit: worker threads at most.
    init(limit: Int) { self.limit = limit }

    /// A job of any thread. One that the running job of a worker adds is most often its own continuation: that worker takes it next, so
    /// nobody is woken for it.
    func add(_ item: Item) {
        condition.lock()
        items.append(item)
        var mustWake = true
        if let own = workers.firstIndex(where: { pthread_equal($0.thread, pthread_self()) != 0 }) {
            workers[own].added += 1
            mustWake = workers[own].added > 1
        }
        let mustStart = mustWake && wake()
        condition.unlock()
        if mustStart { startWorker() }
    }

    /// The jobs of one round of the network thread, which empties `batch`.
    /// - Returns: whether jobs wait that should be looked after again in a millisecond.
    func add(_ batch: inout [Item], now: ContinuousClock.Instant) -> Bool {
        condition.lock()
        items.append(contentsOf: batch)
        batch.removeAll(keepingCapacity: true)
        let waits = head < items.count
        let mustStart = waits && needsWorker(now) && wake()
        condition.unlock()
        if mustStart { startWorker() }
        return waits
    }

    /// Wakes one more worker if those that run do not get on.
    func relieve(now: ContinuousClock.Instant) {
        var nothing: [Item] = []
        _ = add(&nothing, now: now)
    }

    /// Lets the workers end; no job may come any more.
    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    // MARK: under the lock

    /// Nobody works, or those who do have begun nothing for a millisecond.
    private func needsWorker(_ now: ContinuousClock.Instant) -> Bool {
        guard started > asleep, let lookedAt, lookedAt.begun == begun else {
            lookedAt = (begun, now)
            return started == asleep
        }
        guard now - lookedAt.since >= .milliseconds(1) else { return false }
        self.lookedAt = (begun, now)
        return true
    }

    /// - Returns: whether the caller has to start a worker once it has given up the lock.
    private func wake() -> Bool {
        if asleep > 0 {
            asleep -= 1
            woken += 1
            condition.signal()
            return false
        }
        guard started < limit else { return false }
        started += 1
        return true
    }

    // MARK: workers

    private func startWorker() {
        SystemThread.start(name: "http-worker", stackSize: 1 << 20) { self.work() }
    }

    private func work() {
        condition.lock()
        let number = workers.count
        workers.append((pthread_self(), 0))
        while let item = next(number) {
            condition.unlock()
            item.job.runSynchronously(on: item.executor)
            condition.lock()
        }
        condition.unlock()
    }

    /// Blocks until there is a job; nil once the queue is closed.
    private func next(_ number: Int) -> Item? {
        workers[number].added = 0
        while head == items.count {
            if isClosed { return nil }
            asleep += 1
            repeat { condition.wait() } while woken == 0 && !isClosed
            if woken > 0 { woken -= 1 }
        }
        let item = items[head]
        head += 1
        begun &+= 1
        if head == items.count {
            items.removeAll(keepingCapacity: head <= 1_024)
            head = 0
        } else if head >= 1_024 {
            items.removeSubrange(..<head)
            head = 0
        }
        return item
    }
}
