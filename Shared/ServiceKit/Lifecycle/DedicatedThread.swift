import Threads

/// Runs a loop of blocking calls on a thread of its own, away from the cooperative pool.
///
/// - Parameters:
///   - name: of the thread, as `top -H` shows it; Linux keeps 15 characters.
///   - stackSize: in bytes.
///   - body: has to return soon after its signal says so. The signal is raised when the surrounding service is asked to finish and
///     when the task is cancelled; use its `onShutdown` to wake a blocking call.
public func runOnDedicatedThread<Result: Sendable>(
    name: String, stackSize: Int = 1 << 20, _ body: @escaping @Sendable (ShutdownSignal) throws -> Result
) async throws -> Result {
    let signal = ShutdownSignal()
    let outer = ShutdownSignal.current
    let hook = outer?.onShutdown { signal.request() }
    defer { outer?.removeHook(hook) }
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            SystemThread.start(name: name, stackSize: stackSize) {
                continuation.resume(with: Swift.Result { try body(signal) })
            }
        }
    } onCancel: {
        signal.request()
    }
}
