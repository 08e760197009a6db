import Dispatch

/// Blocks a thread, as a system call would, until somebody opens it.
struct BlockingGate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    func open() { semaphore.signal() }
    func passThrough() { semaphore.wait() }
}
