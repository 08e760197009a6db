import Glibc

/// A lock with a place to wait, for threads (pthread_cond_wait(3)). Never to be used from a Swift task: it blocks.
// @unchecked: mutex and condition are made for use by many threads, and their memory stays where it is until deinit.
public final class ThreadCondition: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    public init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    public func lock() { pthread_mutex_lock(mutex) }
    public func unlock() { pthread_mutex_unlock(mutex) }

    /// Gives up the lock, sleeps until woken, takes the lock again. May wake for no reason: ask again what was waited for.
    public func wait() { pthread_cond_wait(condition, mutex) }

    /// Wakes one that waits.
    public func signal() { pthread_cond_signal(condition) }

    /// Wakes all that wait.
    public func broadcast() { pthread_cond_broadcast(condition) }
}
