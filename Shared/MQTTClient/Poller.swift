internal import CMosquitto
internal import Glibc

/// Level-triggered epoll for one thread. A closed socket leaves the set by itself (epoll(7)).
final class Poller {
    private let descriptor: Int32

    init() throws(MQTTError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else {
            throw MQTTError(.other, operation: "create epoll instance", reason: String(cString: strerror(errno)))
        }
    }

    deinit { close(descriptor) }

    func watch(_ socket: Int32, tag: UInt64, writes: Bool = false) throws(MQTTError) {
        guard control(EPOLL_CTL_ADD, socket, tag, writes) else {
            throw MQTTError(.other, operation: "watch a socket", reason: String(cString: strerror(errno)))
        }
    }

    func change(_ socket: Int32, tag: UInt64, writes: Bool) { _ = control(EPOLL_CTL_MOD, socket, tag, writes) }
    func forget(_ socket: Int32) { _ = control(EPOLL_CTL_DEL, socket, 0, false) }

    private func control(_ operation: Int32, _ socket: Int32, _ tag: UInt64, _ writes: Bool) -> Bool {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | (writes ? EPOLLOUT.rawValue : 0)
        event.data.u64 = tag
        return epoll_ctl(descriptor, operation, socket, &event) == 0
    }

    func wait(milliseconds: Int32, _ body: (UInt64) -> Void) -> Int {
        withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 256) { events in
            let count = epoll_wait(descriptor, events.baseAddress, Int32(events.count), milliseconds)
            guard count > 0 else { return 0 }
            for event in events.prefix(Int(count)) { body(event.data.u64) }
            return Int(count)
        }
    }

    /// Raises the soft limit of open files towards `count`, never over the hard limit.
    static func allowOpenFiles(_ count: Int) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < rlim_t(count) else { return }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(count))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
