import CMicrohttpd
import Glibc
public import Logging
public import Metrics
import Synchronization

/// An HTTP/1.1 server: libmicrohttpd on one epoll thread (`NetworkLoop`), handlers as Swift tasks on a few threads beside it
/// (`HandlerExecutor`).
///
/// The network thread reads a request's headers, suspends the connection and starts a task; the task's answer resumes it. Bodies move
/// in both directions through bounded buffers that suspend the faster side. A handler's task is cancelled within a quarter of a second when
/// its client hangs up. What two parsers could read differently is refused before
/// any handler (`RequestScreening`). A server that was started keeps itself alive until `stop`.
///
/// Refusals are problem+json, with one exception: what libmicrohttpd 0.9.75 cannot parse (a request line or header that is none, no Host,
/// a Content-Length that is no number, a malformed chunk, a head beyond twice `headerBytes`) it answers by itself, before any callback: the
/// right status, a fixed page of its own in HTML, and the end of the connection. Its texts are compiled in and it has no option for them;
/// only a second parser in front of it would change that. Clients go by the status.
public final class HTTPServer: Sendable {
    public typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse
    /// Answers on the network thread, for what is at hand and takes microseconds; nil leaves the request to the handler.
    public typealias ImmediateHandler = @Sendable (HTTPRequest) -> HTTPResponse?

    enum Stage { case fresh, running, stopping, stopped }

    struct State {
        var stage = Stage.fresh
        var port = 0
        var daemon: DaemonHandle?
        var connections: [ObjectIdentifier: Connection] = [:]
        var sweeper: Task<Void, Never>?
        var hasAbandoned = false
    }

    let configuration: HTTPServerConfiguration
    let logger: Logger
    let handler: Handler
    let immediateHandler: ImmediateHandler?
    let executor: HandlerExecutor
    let loop: NetworkLoop
    private let metrics: MetricsRegistry?
    private let refusals = Mutex<[String: Counter]>([:])
    private let draining = Atomic<Bool>(false)
    private let state = Mutex(State())

    public init(
        configuration: HTTPServerConfiguration, logger: Logger, metrics: MetricsRegistry? = nil, immediate: ImmediateHandler? = nil,
        handler: @escaping Handler
    ) {
        self.configuration = configuration
        self.logger = logger
        self.metrics = metrics
        self.handler = handler
        immediateHandler = immediate
        executor = HandlerExecutor()
        loop = NetworkLoop(executor: executor)
    }

    /// The port that the server listens on; 0 before `start`.
    public var port: Int { state.withLock { $0.port } }

    /// Open connections.
    public var connectionCount: Int { state.withLock { $0.connections.count } }

    /// Requests that have reached a handler and are not yet completely answered.
    public var requestCount: Int { snapshot().count { $0.exchange != nil } }

    /// Listens and serves; returns as soon as the socket is open.
    public func start() throws(HTTPServerError) {
        let mayStart = state.withLock { state in
            guard state.stage == .fresh else { return false }
            state.stage = .running
            return true
        }
        guard mayStart else { throw HTTPServerError(reason: "an HTTP server can be started once") }
        let daemon: DaemonHandle
        do {
            daemon = try DaemonHandle(server: self)
        } catch {
            state.withLock { $0.stage = .stopped }
            throw error
        }
        let sweeper = Task { [weak self] in
            while !Task.isCancelled {
                // The deadlines of many connections are looked at together, four times a second: a timer each would cost more.
                try? await Task.sleep(for: .milliseconds(250))
                self?.sweep(now: .now)
            }
        }
        state.withLock { state in
            state.daemon = daemon
            state.port = daemon.port
            state.sweeper = sweeper
        }
        metrics?.gaugeFunction("iot_http_connections", help: "Open HTTP connections.") { [weak self] in Double(self?.connectionCount ?? 0) }
        logger.info("listening", metadata: ["address": "\(configuration.host):\(daemon.port)", "tls": "\(configuration.tls != nil)"])
    }

    /// Stops taking connections and requests, lets what is being served finish, cuts what is left after `gracePeriod`.
    /// Streams of events end at once. Returns when the port is free and no callback runs any more.
    public func stop(gracePeriod: Duration) async {
        let daemon: DaemonHandle? = state.withLock { state in
            guard state.stage == .running, let daemon = state.daemon else { return nil }
            state.stage = .stopping
            return daemon
        }
        guard let daemon else { return }
        draining.store(true, ordering: .releasing)
        await daemon.quiesce()
        let end = ContinuousClock.now + gracePeriod
        repeat {
            drainOnce()
            if connectionCount == 0 { break }
            // Not cancellable: a cancelled stop would leave the port and its thread behind.
            await Task { try? await Task.sleep(for: .milliseconds(10)) }.value
        } while ContinuousClock.now < end
        abandonAll()
        await daemon.stop()
        let sweeper = state.withLock { state in
            state.stage = .stopped
            state.daemon = nil
            return state.sweeper.take()
        }
        sweeper?.cancel()
        logger.info("stopped", metadata: ["address": "\(configuration.host):\(port)"])
    }

    /// Answers close their connection from now on.
    var isDraining: Bool { draining.load(ordering: .acquiring) }

    /// Cuts connections and ends requests whose time has passed.
    func sweep(now: ContinuousClock.Instant) {
        let limits = configuration.limits
        let (overdue, deserted) = state.withLock { state in
            var overdue = 0
            var deserted: [Exchange] = []
            for connection in state.connections.values {
                if connection.cutIfOverdue(at: now, limits: limits) {
                    overdue += 1
                } else if let exchange = connection.exchange, connection.hasHungUp {
                    deserted.append(exchange)
                }
            }
            return (overdue, deserted)
        }
        if overdue > 0 { count("overdue", by: overdue) }
        executor.relieve(now: now)
        for exchange in deserted { exchange.desert() }
        for connection in snapshot() { connection.exchange?.sweep(now: now, keepAlive: limits.eventKeepAlive) }
    }

    private func drainOnce() {
        for connection in snapshot() { connection.exchange?.drain() }
        state.withLock { state in
            for connection in state.connections.values { connection.cutIfQuiet() }
        }
    }

    private func abandonAll() {
        state.withLock { $0.hasAbandoned = true }
        for connection in snapshot() { connection.exchange?.abandon() }
    }

    private func snapshot() -> [Connection] { state.withLock { Array($0.connections.values) } }

    // MARK: called on the network thread

    func opened(_ connection: Connection) { state.withLock { $0.connections[ObjectIdentifier(connection)] = connection } }

    func closed(_ connection: Connection) {
        state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(connection)) }
        loop.connectionEnded()
    }

    /// False when its connection was cut, and once the grace of a stop has passed: nothing may be suspended any more.
    func admit(_ exchange: Exchange) -> Bool {
        exchange.connection.enter(exchange) && state.withLock { !$0.hasAbandoned }
    }

    func refused(_ refusal: Refusal, remote: HTTPAddress?, requestID: String) {
        count(refusal.code, by: 1)
        logger.debug(
            "refused a request",
            metadata: ["code": refusal.code, "detail": refusal.detail, "remote": remote?.description ?? "", "requestId": requestID])
    }

    func streamFailed(_ head: RequestHead, _ error: any Error) {
        logger.error(
            "a streamed answer broke off: the client sees an incomplete body",
            metadata: ["requestId": head.id, "method": head.method.rawValue, "path": head.path, "error": "\(error)"])
    }

    private func count(_ reason: String, by amount: Int) {
        guard let metrics else { return }
        let counter = refusals.withLock { counters in
            if let known = counters[reason] { return known }
            let made = metrics.counter(
                "iot_http_refused_total", help: "Requests refused or cut before a handler saw them, by reason.", labels: ["reason": reason])
            counters[reason] = made
            return made
        }
        counter.increment(by: UInt64(amount))
    }
}
