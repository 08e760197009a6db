public import Logging

/// Runs services together and stops them in reverse order.
///
/// The order is that of dependency: what others need comes first, so that it is still there while they finish. The end begins when a
/// signal arrives or when a service ends by itself; from then on all of them together have `grace` to finish.
public struct ServiceGroup: Sendable {
    private let services: [any Service]
    private let grace: Duration
    private let logger: Logger
    private let clock: any Clock<Duration>

    public init(_ services: [any Service], grace: Duration, logger: Logger, clock: any Clock<Duration> = ContinuousClock()) {
        self.services = services
        self.grace = grace
        self.logger = logger
        self.clock = clock
    }

    /// Runs until all services have ended. Cancelling the task asks for the end, too.
    /// - Parameter shutdown: raise it to ask for the end; the start-up ties it to SIGTERM and SIGINT.
    /// - Throws: `ServiceGroupError` when a service ended before it was asked to, or threw, or did not end within `grace`.
    public func run(until shutdown: ShutdownSignal) async throws(ServiceGroupError) {
        // In a task of its own: cancelling the caller must not end the wait for the services.
        let failures = await withTaskCancellationHandler {
            await Task { await runAll(until: shutdown) }.value
        } onCancel: {
            shutdown.request()
        }
        if !failures.isEmpty { throw ServiceGroupError(failures: failures) }
    }

    private func runAll(until shutdown: ShutdownSignal) async -> [ServiceGroupError.Failure] {
        let (events, sender) = AsyncStream.makeStream(of: Event.self)
        var run = Run(services: services.map { Member(service: $0) }, logger: logger)
        for (index, member) in run.members.enumerated() { run.members[index].task = member.start { sender.yield(.ended(index, $0)) } }
        let hook = shutdown.onShutdown { sender.yield(.shutdown) }
        defer { shutdown.removeHook(hook) }
        var timer: Task<Void, Never>?
        for await event in events {
            run.take(event)
            if run.isStopping, timer == nil {
                timer = Task { [clock, grace] in
                    guard (try? await clock.sleep(for: grace)) != nil else { return }
                    sender.yield(.graceIsOver)
                }
            }
            if run.isOver { break }
        }
        timer?.cancel()
        return run.failures
    }
}

public struct ServiceGroupError: Error, Sendable, CustomStringConvertible {
    public struct Failure: Sendable, CustomStringConvertible {
        public let service: String
        public let reason: String
        public var description: String { "\(service) \(reason)" }
    }

    /// In the order in which they happened: the first is the cause.
    public let failures: [Failure]
    public var description: String { failures.map(\.description).joined(separator: "; ") }
}

extension ServiceGroup {
    private enum Event: Sendable {
        case ended(Int, (any Error)?)
        case shutdown
        case graceIsOver
    }

    private struct Member {
        let service: any Service
        let signal = ShutdownSignal()
        var task: Task<Void, Never>?
        var hasEnded = false

        func start(_ ended: @escaping @Sendable ((any Error)?) -> Void) -> Task<Void, Never> {
            Task { [service, signal] in
                await ShutdownSignal.$current.withValue(signal) {
                    do {
                        try await service.run()
                        ended(nil)
                    } catch {
                        ended(error)
                    }
                }
            }
        }
    }

    /// The state of one run: takes events, one at a time, and stops services. It waits for nothing itself.
    private struct Run {
        var members: [Member]
        let logger: Logger
        private(set) var failures: [ServiceGroupError.Failure] = []
        private(set) var isStopping = false
        private var isAbandoned = false

        init(services: [Member], logger: Logger) {
            members = services
            self.logger = logger
        }

        var isOver: Bool { isAbandoned || members.allSatisfy(\.hasEnded) }

        mutating func take(_ event: Event) {
            switch event {
            case .ended(let index, let error): ended(index, error)
            case .shutdown: isStopping = true
            case .graceIsOver: abandon()
            }
            if isStopping { stopNext() }
        }

        private mutating func ended(_ index: Int, _ error: (any Error)?) {
            let member = members[index]
            members[index].hasEnded = true
            if let error {
                // A service that lets the cancellation of its own tasks through has done as it was told.
                if !(error is CancellationError && member.signal.isShuttingDown) { fail(member, "failed: \(error)") }
            } else if !member.signal.isShuttingDown {
                fail(member, "ended although nobody asked it to")
            } else {
                logger.debug("service stopped", metadata: ["service": member.service.name])
            }
            isStopping = true
        }

        /// Asks the last service that still runs to finish; the others wait for their turn.
        private func stopNext() {
            guard let member = members.last(where: { !$0.hasEnded }), !member.signal.isShuttingDown else { return }
            logger.debug("stopping service", metadata: ["service": member.service.name])
            member.signal.request()
        }

        private mutating func abandon() {
            for member in members where !member.hasEnded {
                fail(member, "did not finish within the grace period")
                member.signal.request()
                member.task?.cancel()
            }
            isAbandoned = true
        }

        private mutating func fail(_ member: Member, _ reason: String) {
            failures.append(.init(service: member.service.name, reason: reason))
            logger.error("service \(member.service.name) \(reason)", metadata: ["service": member.service.name])
        }
    }
}
