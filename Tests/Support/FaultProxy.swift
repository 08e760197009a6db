import Foundation
import Synchronization

/// A TCP relay on a loopback port of its own that can be told to treat its connections badly: cut, reset, fall silent, dribble.
public final class FaultProxy: Sendable {
    public struct Directions: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let toServer = Directions(rawValue: 1)
        public static let toClient = Directions(rawValue: 2)
        public static let both: Directions = [.toServer, .toClient]
    }

    public enum Manner: Sendable, Equatable {
        case honest
        /// Half-open: connected, but nothing comes through in these directions, not even the end. Senders fill their buffers, then wait.
        case stalled(Directions)
        /// One byte a segment.
        case dribbling
        /// New connections are closed at once.
        case refusing
    }

    public enum Break: Sendable {
        /// An orderly end (FIN); what was under way is lost.
        case cut
        /// RST on both sides.
        case reset
    }

    public let port: Int
    private let loop: ProxyLoop

    /// - Parameters:
    ///   - upstream: the server's loopback port; it need not listen yet.
    ///   - port: of the proxy; free to choose when the server has to advertise it.
    public init(to upstream: Int, port: Int? = nil) throws {
        let port = try port ?? freePort()
        self.port = port
        loop = try ProxyLoop(listener: LoopbackSocket.listen(on: port), upstream: upstream)
        let thread = Thread { [loop] in loop.run() }
        thread.name = "proxy-\(port)"
        thread.start()
    }

    deinit { loop.order(.stop) }

    /// Returns when the new manner is in force: nothing slips through afterwards.
    public func behave(_ manner: Manner) { loop.order(.behave(manner)) }

    /// Ends every connection that there is. Bytes held back are lost.
    /// - Returns: how many there were.
    @discardableResult
    public func breakConnections(_ how: Break) -> Int {
        loop.order(.breakAll(how))
        return loop.lastBroken.load(ordering: .acquiring)
    }

    public var bytesRelayed: Int { loop.relayed.load(ordering: .relaxed) }
}

/// The proxy's thread: one `poll` over the listener, a wake-up descriptor and every connection.
final class ProxyLoop: Sendable {
    enum Order: Sendable {
        case behave(FaultProxy.Manner)
        case breakAll(FaultProxy.Break)
        case stop
    }

    let relayed = Atomic<Int>(0)
    let lastBroken = Atomic<Int>(0)
    private let listener: Int32
    private let upstream: Int
    /// A pipe: read end and write end.
    private let wakeup: (read: Int32, write: Int32)
    private let orders = Mutex<[(order: Order, done: DispatchSemaphore)]>([])

    init(listener: Int32, upstream: Int) throws {
        self.listener = listener
        self.upstream = upstream
        LoopbackSocket.prepare(listener)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SupportError("pipe: errno \(errno)") }
        wakeup = (ends[0], ends[1])
    }

    /// Waits until the loop has done it.
    func order(_ order: Order) {
        let done = DispatchSemaphore(value: 0)
        orders.withLock { $0.append((order, done)) }
        _ = write(wakeup.write, [1], 1)
        done.wait()
    }

    func run() {
        var links: [ProxyLink] = []
        var manner = FaultProxy.Manner.honest
        while obey(&manner, &links) {
            var watched = [
                pollfd(fd: wakeup.read, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
            ]
            for link in links { watched += link.watched(manner) }
            let hasDrops = manner == .dribbling && links.contains { $0.isHolding }
            guard poll(&watched, nfds_t(watched.count), hasDrops ? 1 : -1) >= 0 || errno == EINTR else { return }
            if watched[0].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 64)
                _ = read(wakeup.read, &bytes, bytes.count)
            }
            for (index, link) in links.enumerated() {
                relayed.add(link.relay(manner, client: watched[2 + 2 * index], server: watched[3 + 2 * index]), ordering: .relaxed)
            }
            links.removeAll { link in
                if link.isOver { link.end(.cut) }
                return link.isOver
            }
            if watched[1].revents != 0 { accept(manner, &links) }
        }
        for link in links { link.end(.cut) }
        close(listener)
        close(wakeup.read)
        close(wakeup.write)
    }

    private func obey(_ manner: inout FaultProxy.Manner, _ links: inout [ProxyLink]) -> Bool {
        let given = orders.withLock { orders in
            defer { orders.removeAll() }
            return orders
        }
        var goesOn = true
        for (order, done) in given {
            switch order {
            case .behave(let new): manner = new
            case .breakAll(let how):
                lastBroken.store(links.count, ordering: .releasing)
                for link in links { link.end(how) }
                links.removeAll()
            case .stop: goesOn = false
            }
            done.signal()
        }
        return goesOn
    }

    private func accept(_ manner: FaultProxy.Manner, _ links: inout [ProxyLink]) {
        while true {
            let client = Foundation.accept(listener, nil, nil)
            guard client >= 0 else { return }
            guard manner != .refusing, let server = LoopbackSocket.connect(to: upstream) else {
                close(client)
                continue
            }
            links.append(ProxyLink(client: client, server: server))
        }
    }
}
