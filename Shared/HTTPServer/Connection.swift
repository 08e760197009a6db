import CMicrohttpd
import Glibc
import Synchronization

/// One accepted socket. libmicrohttpd owns and closes it; `HTTPServer` forgets it before that, so the descriptor is valid while it
/// is listed.
final class Connection: Sendable {
    enum Phase {
        /// Between two requests, nothing of the next one seen.
        case idle
        case headers
        case request(Exchange)
    }

    struct State {
        var phase: Phase
        var since: ContinuousClock.Instant
        var isFirst = true
        /// No request begins any more.
        var isCut = false
        var target: RequestLine?
        var peer: HTTPClientCertificate?
        var isPeerKnown = false
    }

    let descriptor: Int32
    let remote: HTTPAddress?
    let isSecure: Bool
    private let state: Mutex<State>

    init(descriptor: Int32, remote: HTTPAddress?, isSecure: Bool, now: ContinuousClock.Instant) {
        self.descriptor = descriptor
        self.remote = remote
        self.isSecure = isSecure
        state = Mutex(State(phase: .headers, since: now))
    }

    /// The request line is there; its target is kept as it came, since libmicrohttpd decodes it its own way.
    func begin(_ target: RequestLine, now: ContinuousClock.Instant) {
        state.withLock { state in
            state.target = target
            if !state.isFirst { state.since = now }
            state.isFirst = false
            state.phase = .headers
        }
    }

    func takeTarget() -> RequestLine? { state.withLock { $0.target.take() } }

    /// False when the connection was cut before the request could begin.
    func enter(_ exchange: Exchange) -> Bool {
        state.withLock { state in
            state.phase = .request(exchange)
            return !state.isCut
        }
    }

    func leave(now: ContinuousClock.Instant) {
        state.withLock { state in
            state.phase = .idle
            state.since = now
        }
    }

    var exchange: Exchange? {
        state.withLock { state in
            guard case .request(let exchange) = state.phase else { return nil }
            return exchange
        }
    }

    /// The client's certificate, read once per connection.
    func peer(_ read: () -> HTTPClientCertificate?) -> HTTPClientCertificate? {
        guard isSecure else { return nil }
        return state.withLock { state in
            if !state.isPeerKnown {
                state.isPeerKnown = true
                state.peer = read()
            }
            return state.peer
        }
    }

    /// Cuts the connection when the time that it may spend in its phase has passed. Exchanges look after themselves. Only while listed.
    func cutIfOverdue(at now: ContinuousClock.Instant, limits: HTTPServerLimits) -> Bool {
        cut { state in
            switch state.phase {
            case .idle: now - state.since > limits.idleTime
            case .headers: now - state.since > limits.headerTime
            case .request: false
            }
        }
    }

    /// Cuts the connection when no request is being served and no byte of one waits in the socket. Only while listed.
    func cutIfQuiet() {
        _ = cut { state in
            if case .request = state.phase { return false }
            var byte: UInt8 = 0
            return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) <= 0
        }
    }

    /// The library may have read a request that has not begun yet: whichever of `enter` and this comes second gives way.
    private func cut(where isUseless: (State) -> Bool) -> Bool {
        let isCut = state.withLock { state in
            guard isUseless(state) else { return false }
            state.isCut = true
            return true
        }
        if isCut { cut() }
        return isCut
    }

    /// `POLLRDHUP` of poll(2), which the Glibc module does not show.
    private static let readHangUp: Int16 = 0x2000

    /// Whether the client has closed its end, with or without unread bytes before that. Only while listed.
    var hasHungUp: Bool {
        var watched = pollfd(fd: descriptor, events: Self.readHangUp, revents: 0)
        return poll(&watched, 1, 0) > 0 && watched.revents & (Self.readHangUp | Int16(POLLHUP) | Int16(POLLERR)) != 0
    }

    /// Ends the connection under libmicrohttpd, which notices at once and cleans up. Only while listed.
    func cut() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
}

extension HTTPAddress {
    /// Nil for anything but an internet address.
    init?(_ address: UnsafePointer<sockaddr>) {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let port: UInt16
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            port = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
                var host = pointer.pointee.sin_addr
                inet_ntop(AF_INET, &host, &text, socklen_t(text.count))
                return pointer.pointee.sin_port
            }
        case AF_INET6:
            port = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                var host = pointer.pointee.sin6_addr
                inet_ntop(AF_INET6, &host, &text, socklen_t(text.count))
                return pointer.pointee.sin6_port
            }
        default: return nil
        }
        let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.init(host: host.hasPrefix("::ffff:") ? String(host.dropFirst(7)) : host, port: Int(UInt16(bigEndian: port)))
    }
}
