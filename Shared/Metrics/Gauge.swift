import Synchronization

/// A number that goes up and down: connections open, messages in flight.
public final class Gauge: Sendable {
    private let stored = Atomic<Double>(0)

    init() {}

    public func set(_ value: Double) {
        stored.store(value, ordering: .relaxed)
    }

    public func add(_ amount: Double) {
        stored.add(amount)
    }

    public var value: Double { stored.load(ordering: .relaxed) }
}

extension Atomic where Value == Double {
    /// The processor has no atomic addition for floating point: retried until nobody came between.
    func add(_ amount: Double) {
        var current = load(ordering: .relaxed)
        while true {
            let (exchanged, original) = weakCompareExchange(expected: current, desired: current + amount, ordering: .relaxed)
            if exchanged { return }
            current = original
        }
    }
}
