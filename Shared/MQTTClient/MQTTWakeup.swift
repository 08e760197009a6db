internal import CMosquitto
internal import Glibc

/// Ends another thread's wait for its sockets at once (an eventfd). Any thread may signal.
public final class MQTTWakeup: Sendable {
    let descriptor: Int32

    public init() throws(MQTTError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else {
            throw MQTTError(.other, operation: "create eventfd", reason: String(cString: strerror(errno)))
        }
    }

    deinit { close(descriptor) }

    public func signal() { eventfd_write(descriptor, 1) }

    /// Waits until somebody signals, at most so long.
    public func wait(milliseconds: Int32) {
        var socket = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&socket, 1, milliseconds) > 0 { clear() }
    }

    func clear() {
        var count: eventfd_t = 0
        eventfd_read(descriptor, &count)
    }
}
