import CMicrohttpd
import Glibc
import Synchronization
import Threads

/// The one thread that calls libmicrohttpd: everything that the library does and calls happens on it.
///
/// A round resumes the connections whose answers came in, lets the library read and write, hands new requests to the workers, and waits.
/// Other threads only leave exchanges and orders in the inbox; they wake the thread if it waits, which it does once for many of them.
final class NetworkLoop: Sendable {
    /// Work for the loop's thread, which may call the library.
    typealias Order = @Sendable (_ daemon: OpaquePointer) -> Void

    private struct Inbox {
        var resumed: [Exchange] = []
        var orders: [Order] = []
        var isAsleep = false
        var mustStop = false
    }

    private let executor: HandlerExecutor
    private let inbox = Mutex(Inbox())
    /// An eventfd; negative when the process may have no more descriptors.
    private let wakeup = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
    /// A connection has ended in this round. The library does not listen while it has as many as it may, and listens again only at the
    /// beginning of a round.
    private let hasRoom = Atomic<Bool>(false)

    init(executor: HandlerExecutor) { self.executor = executor }

    deinit { close(wakeup) }

    var canWake: Bool { wakeup >= 0 }

    // MARK: any thread

    /// Lets the library go on with a suspended exchange.
    func resume(_ exchange: Exchange) { leave { $0.resumed.append(exchange) } }

    /// Runs `order` on the loop's thread.
    func perform(_ order: @escaping Order) { leave { $0.orders.append(order) } }

    /// Ends the loop after what was left before.
    func stop() { leave { $0.mustStop = true } }

    private func leave(_ change: (inout sending Inbox) -> Void) {
        let mustWake = inbox.withLock { inbox in
            change(&inbox)
            defer { inbox.isAsleep = false }
            return inbox.isAsleep
        }
        if mustWake { eventfd_write(wakeup, 1) }
    }

    // MARK: the loop's thread

    func connectionEnded() { hasRoom.store(true, ordering: .relaxed) }

    /// Runs until it is stopped, then ends every connection and the daemon.
    func run(_ daemon: OpaquePointer) {
        let library = martlet_mhd_daemon_info(daemon, .DAEMON_INFO_EPOLL_FD)?.pointee.epoll_fd ?? -1
        executor.becomeNetworkThread()
        var resumed: [Exchange] = []
        while true {
            let (orders, mustStop) = takeInbox(&resumed)
            for exchange in resumed { exchange.resumeNow() }
            resumed.removeAll(keepingCapacity: true)
            for order in orders { order(daemon) }
            if mustStop { break }
            MHD_run(daemon)
            wait(daemon, library, isWatching: executor.handOver(now: .now))
        }
        MHD_stop_daemon(daemon)
        executor.resignNetworkThread()
    }

    private func takeInbox(_ resumed: inout [Exchange]) -> (orders: [Order], mustStop: Bool) {
        var taken = resumed
        let result = inbox.withLock { inbox in
            swap(&inbox.resumed, &taken)
            defer { inbox.orders.removeAll() }
            return (inbox.orders, inbox.mustStop)
        }
        resumed = taken
        return result
    }

    /// Waits for the network, a timeout of the library's or the inbox.
    /// - Parameters:
    ///   - library: the descriptor of its epoll.
    ///   - isWatching: not longer than a millisecond.
    private func wait(_ daemon: OpaquePointer, _ library: Int32, isWatching: Bool) {
        if hasRoom.exchange(false, ordering: .relaxed) { return }
        var timeout: UInt64 = 0
        let hasTimeout = MHD_get_timeout(daemon, &timeout) == .YES
        if hasTimeout, timeout == 0 { return }
        let mayWait = inbox.withLock { inbox in
            inbox.isAsleep = inbox.resumed.isEmpty && inbox.orders.isEmpty && !inbox.mustStop
            return inbox.isAsleep
        }
        guard mayWait else { return }
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { watched in
            watched.initializeElement(at: 0, to: pollfd(fd: library, events: Int16(POLLIN), revents: 0))
            watched.initializeElement(at: 1, to: pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0))
            poll(watched.baseAddress, 2, isWatching ? 1 : hasTimeout ? Int32(clamping: timeout) : -1)
            inbox.withLock { $0.isAsleep = false }
            guard watched[1].revents != 0 else { return }
            var count: eventfd_t = 0
            eventfd_read(wakeup, &count)
        }
    }
}
