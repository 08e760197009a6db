import Synchronization

/// Says once, to whoever asks or waits, that it is time to finish.
///
/// Every service of a group has its own, reachable inside `run()` as `ShutdownSignal.current`, because services are stopped one
/// after another.
public final class ShutdownSignal: Sendable {
    /// The signal of the service that this task runs for; nil outside a `ServiceGroup`.
    @TaskLocal public static var current: ShutdownSignal?

    private let requested = Atomic<Bool>(false)
    private let waiting = Mutex(Waiting())

    private struct Waiting {
        var nextNumber = 0
        var hooks: [Int: @Sendable () -> Void] = [:]
    }

    public init() {}

    /// Cheap enough for every turn of a loop.
    public var isShuttingDown: Bool { requested.load(ordering: .acquiring) }

    /// Asks for the end. The hooks run on the calling thread, each exactly once; asking again does nothing.
    public func request() {
        let hooks = waiting.withLock { state in
            guard !requested.exchange(true, ordering: .acquiringAndReleasing) else { return [@Sendable () -> Void]() }
            defer { state.hooks = [:] }
            return state.hooks.sorted { $0.key < $1.key }.map(\.value)
        }
        for hook in hooks { hook() }
    }

    /// Runs `hook` when the end is asked for: at once when it already was. For waking what blocks in a system call.
    /// - Returns: a registration to give to `removeHook` when the hook is not needed any longer.
    @discardableResult
    public func onShutdown(_ hook: @escaping @Sendable () -> Void) -> HookID? {
        let identity = waiting.withLock { state -> HookID? in
            guard !isShuttingDown else { return nil }
            defer { state.nextNumber += 1 }
            state.hooks[state.nextNumber] = hook
            return HookID(number: state.nextNumber)
        }
        if identity == nil { hook() }
        return identity
    }

    public func removeHook(_ identity: HookID?) {
        guard let identity else { return }
        _ = waiting.withLock { $0.hooks.removeValue(forKey: identity.number) }
    }

    /// Suspends until the end is asked for or the task is cancelled.
    public func wait() async {
        let stream = AsyncStream<Void> { continuation in
            let hook = onShutdown { continuation.finish() }
            continuation.onTermination = { [weak self] _ in self?.removeHook(hook) }
        }
        for await _ in stream {}
    }

    public struct HookID: Sendable {
        fileprivate let number: Int
    }
}

/// Suspends until the surrounding service is asked to finish, or the task is cancelled.
public func gracefulShutdown() async {
    await (ShutdownSignal.current ?? ShutdownSignal()).wait()
}

/// Runs `operation`; `onGracefulShutdown` is called once, from elsewhere, when the surrounding service is asked to finish meanwhile.
public func withGracefulShutdownHandler<Result: Sendable>(
    _ operation: () async throws -> Result, onGracefulShutdown handler: @escaping @Sendable () -> Void
) async rethrows -> Result {
    let signal = ShutdownSignal.current
    let hook = signal?.onShutdown(handler)
    defer { signal?.removeHook(hook) }
    return try await operation()
}
