internal import CPostgres
internal import Synchronization

/// Asks the server to stop what a connection is doing. May be used from any thread, also after the connection is gone.
public final class PostgresCanceller: Sendable {
    /// libpq documents `PQcancel` on a `PGcancel` as safe from another thread; the lock keeps it from running beside its free.
    private struct Handle: @unchecked Sendable { var pointer: OpaquePointer? }
    private let handle: Mutex<Handle>

    init(connection: OpaquePointer) { handle = Mutex(Handle(pointer: PQgetCancel(connection))) }

    deinit { handle.withLock { $0.pointer.map { PQfreeCancel($0) } } }

    /// Opens a second connection to the server and blocks until the request is delivered: not for the cooperative pool.
    /// The statement, if one still runs, then fails with ``SQLState/queryCanceled``.
    /// - Returns: whether the request was delivered.
    @discardableResult
    public func cancel() -> Bool {
        handle.withLock { handle in
            guard let pointer = handle.pointer else { return false }
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { text in
                PQcancel(pointer, text.baseAddress, 256) == 1
            }
        }
    }
}
