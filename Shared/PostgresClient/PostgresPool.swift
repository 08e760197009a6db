internal import Synchronization
internal import Threads

/// Why a pool did not run a piece of work at all.
public enum PostgresPoolError: Error, Sendable, CustomStringConvertible {
    /// Every connection is busy and the queue is full.
    case exhausted(connections: Int, waiting: Int)
    /// The work waited longer than the pool allows.
    case waitedTooLong(Duration)
    case closed

    public var description: String {
        switch self {
        case .exhausted(let connections, let waiting):
            "all \(connections) database connections are busy and \(waiting) queries wait already: "
                + "try again later, or raise the pool's size"
        case .waitedTooLong(let limit): "no database connection became free within \(limit)"
        case .closed: "the database pool is closed"
        }
    }
}

/// A bounded number of connections, each on a thread of its own, for code that runs under Swift concurrency.
///
/// Threads and connections come into being when first needed; connections are replaced when they are found
/// dead. Cancelling the calling task cancels the statement.
public final class PostgresPool: Sendable {
    public struct Configuration: Sendable {
        public var url: String
        public var options: PostgresOptions
        /// Connections, and threads.
        public var size: Int
        /// Calls that may wait for a connection; more are refused at once.
        public var maxWaiting: Int
        public var maxWait: Duration

        public init(url: String, options: PostgresOptions, size: Int = 4, maxWaiting: Int = 64, maxWait: Duration = .seconds(5)) {
            self.url = url
            self.options = options
            self.size = size
            self.maxWaiting = maxWaiting
            self.maxWait = maxWait
        }
    }

    public let configuration: Configuration
    private let shared: PoolQueue

    public init(_ configuration: Configuration) {
        precondition(configuration.size > 0, "a pool needs at least one connection")
        self.configuration = configuration
        shared = PoolQueue()
    }

    deinit { shared.close() }

    /// Ends idle connections, lets running work finish and fails everything that waits or comes later.
    public func close() { shared.close() }

    /// Calls waiting for a connection at this moment.
    public var waiting: Int { shared.waiting }

    /// Runs `body` with a connection on that connection's thread.
    ///
    /// `body` may run twice: when a connection that lay idle turns out dead, it runs again on a new one. So it reads, or writes
    /// idempotently. A transaction that `body` leaves open is rolled back.
    public func run<R: Sendable>(_ body: @escaping @Sendable (PostgresConnection) throws -> R) async throws -> R {
        let job = PoolJob(body, deadline: ContinuousClock.now + configuration.maxWait, maxWait: configuration.maxWait)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                job.start(continuation)
                switch shared.add(job, configuration) {
                case .taken: break
                case .takenByNewWorker(let number): startWorker(number)
                case .refused(let error): job.refuse(error)
                }
            }
        } onCancel: {
            job.cancel()
        }
    }
}

extension PostgresPool {
    private func startWorker(_ number: Int) {
        let (queue, configuration) = (shared, configuration)
        SystemThread.start(name: "postgres-\(number)", stackSize: 512 * 1024) { PoolWorker(configuration).run(queue) }
    }
}

/// The waiting work. Lock order: the queue's condition is never held while a job's lock is taken.
private final class PoolQueue: Sendable {
    private struct Content {
        var jobs: [any PoolWork] = []
        var workers = 0
        var idle = 0
        var isClosed = false
    }
    enum Outcome {
        case taken
        /// The caller starts a worker, which will find the job.
        case takenByNewWorker(Int)
        case refused(PostgresPoolError)
    }
    private let condition = ThreadCondition()
    private let content = Mutex(Content())

    var waiting: Int { content.withLock { $0.jobs.count } }

    func add(_ job: any PoolWork, _ configuration: PostgresPool.Configuration) -> Outcome {
        condition.lock()
        defer { condition.unlock() }
        let outcome = content.withLock { content -> Outcome in
            if content.isClosed { return .refused(.closed) }
            content.jobs.removeAll { $0.isOver }
            let free = content.idle + configuration.size - content.workers
            if content.jobs.count >= configuration.maxWaiting + free {
                return .refused(.exhausted(connections: configuration.size, waiting: content.jobs.count))
            }
            content.jobs.append(job)
            guard content.idle < content.jobs.count, content.workers < configuration.size else { return .taken }
            content.workers += 1
            return .takenByNewWorker(content.workers)
        }
        condition.signal()
        return outcome
    }

    /// Blocks until there is work; nil once the pool is closed.
    func next() -> (any PoolWork)? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            let (job, closed) = content.withLock { content -> ((any PoolWork)?, Bool) in
                (content.jobs.isEmpty ? nil : content.jobs.removeFirst(), content.isClosed)
            }
            if let job { return job }
            if closed { return nil }
            content.withLock { $0.idle += 1 }
            condition.wait()
            content.withLock { $0.idle -= 1 }
        }
    }

    func close() {
        condition.lock()
        let left = content.withLock { content -> [any PoolWork] in
            content.isClosed = true
            defer { content.jobs.removeAll() }
            return content.jobs
        }
        condition.broadcast()
        condition.unlock()
        for job in left { job.refuse(.closed) }
    }
}

private enum PoolOutcome {
    case connectionReusable
    /// Dead, or a cancel request may still be on its way to it and would hit the next statement.
    case connectionDone
    /// The connection had died while it lay idle: the work should be given a new one.
    case retryOnNewConnection
}

private protocol PoolWork: AnyObject, Sendable {
    var isOver: Bool { get }
    func refuse(_ error: PostgresPoolError)
    func fail(_ error: PostgresError)
    func run(on connection: PostgresConnection, mayRetry: Bool) -> PoolOutcome
    /// Whether the work should still be run: neither cancelled nor too late.
    func claim() -> Bool
}

/// One call of ``PostgresPool/run(_:)``. The continuation is resumed exactly once, outside the lock.
private final class PoolJob<R: Sendable>: PoolWork {
    private struct State {
        var continuation: CheckedContinuation<R, any Error>?
        var canceller: PostgresCanceller?
        var isCancelled = false
    }
    private let state = Mutex(State())
    private let body: @Sendable (PostgresConnection) throws -> R
    private let deadline: ContinuousClock.Instant
    private let maxWait: Duration

    init(_ body: @escaping @Sendable (PostgresConnection) throws -> R, deadline: ContinuousClock.Instant, maxWait: Duration) {
        self.body = body
        self.deadline = deadline
        self.maxWait = maxWait
    }

    var isOver: Bool { state.withLock { $0.continuation == nil } }

    func start(_ continuation: CheckedContinuation<R, any Error>) {
        let cancelled = state.withLock { state in
            state.continuation = continuation
            return state.isCancelled
        }
        if cancelled { finish(.failure(CancellationError())) }
    }

    func refuse(_ error: PostgresPoolError) { finish(.failure(error)) }
    func fail(_ error: PostgresError) { finish(.failure(error)) }

    func claim() -> Bool {
        if isOver { return false }
        guard ContinuousClock.now <= deadline else {
            refuse(.waitedTooLong(maxWait))
            return false
        }
        return true
    }

    func cancel() {
        let canceller = state.withLock { state in
            state.isCancelled = true
            return state.canceller
        }
        // PQcancel blocks on the network: a thread of its own, never the caller's, which belongs to the cooperative pool.
        if let canceller { SystemThread.start(name: "postgres-cancel", stackSize: 256 * 1024) { canceller.cancel() } }
        if canceller == nil { finish(.failure(CancellationError())) }
    }

    func run(on connection: PostgresConnection, mayRetry: Bool) -> PoolOutcome {
        let proceed = state.withLock { state in
            guard !state.isCancelled, state.continuation != nil else { return false }
            state.canceller = connection.makeCanceller()
            return true
        }
        guard proceed else { return .connectionReusable }
        let result = Result { try body(connection) }
        let cancelled = state.withLock { state in
            state.canceller = nil
            return state.isCancelled
        }
        if case .failure(let error as PostgresError) = result, mayRetry, !cancelled, error.isConnectionLoss {
            return .retryOnNewConnection
        }
        finish(cancelled ? .failure(CancellationError()) : result)
        return cancelled ? .connectionDone : .connectionReusable
    }

    private func finish(_ result: Result<R, any Error>) {
        let continuation = state.withLock { state in
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(with: result)
    }
}

/// One thread's loop over its own connection.
private struct PoolWorker {
    let configuration: PostgresPool.Configuration

    init(_ configuration: PostgresPool.Configuration) { self.configuration = configuration }

    func run(_ queue: PoolQueue) {
        var connection: PostgresConnection?
        while let job = queue.next() {
            guard job.claim() else { continue }
            var outcome = perform(job, &connection, mayRetry: connection != nil)
            if case .retryOnNewConnection = outcome {
                connection = nil
                outcome = perform(job, &connection, mayRetry: false)
            }
            if case .connectionReusable = outcome { tidy(&connection) } else { connection = nil }
        }
    }

    private func perform(_ job: any PoolWork, _ connection: inout PostgresConnection?, mayRetry: Bool) -> PoolOutcome {
        do {
            let open: PostgresConnection
            if let existing = connection {
                open = existing
            } else {
                open = try PostgresConnection(configuration.url, configuration.options)
                connection = open
            }
            return job.run(on: open, mayRetry: mayRetry)
        } catch {
            job.fail(error)
            return .connectionDone
        }
    }

    /// The next caller gets a live session outside any transaction, or a new one.
    private func tidy(_ connection: inout PostgresConnection?) {
        guard let open = connection else { return }
        if open.isUsable, open.isInTransaction { try? open.execute("ROLLBACK") }
        if !open.isUsable || open.isInTransaction { connection = nil }
    }
}
