import Synchronization

/// A number that only grows: messages received, bytes written. Its name ends in `_total`.
public final class Counter: Sendable {
    private let stored = Atomic<UInt64>(0)

    init() {}

    public func increment(by amount: UInt64 = 1) {
        stored.wrappingAdd(amount, ordering: .relaxed)
    }

    public var value: UInt64 { stored.load(ordering: .relaxed) }
}
