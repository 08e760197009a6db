internal import Glibc

/// Keeps a connection from being reset at its end.
///
/// libmosquitto closes its socket right after DISCONNECT. Were there unread messages in it, TCP would answer with a reset, and the
/// broker would throw away the PUBACKs that it has not read yet (RFC 9293, 3.10.7.1 and RFC 1122, 4.2.2.13). So a copy of the
/// descriptor stays open, reads on into nothing, and waits until the broker has closed its side.
struct FarewellSocket: ~Copyable {
    private let descriptor: Int32

    init(copyOf socket: Int32) { descriptor = dup(socket) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func waitForEnd(milliseconds: Int) {
        guard descriptor >= 0 else { return }
        shutdown(descriptor, Int32(SHUT_WR))
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { waste in
            while .now < deadline {
                var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&ready, 1, 100) >= 0 else { return }
                if ready.revents != 0, recv(descriptor, waste.baseAddress, waste.count, 0) <= 0 { return }
            }
        }
    }
}
