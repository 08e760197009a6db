import Synchronization

/// Counts what requests ask of the database, so that what can wait gives way to them.
final class RequestTraffic: Sendable {
    private let count = Atomic<Int>(0)

    func note() { count.add(1, ordering: .relaxed) }

    /// Since the start.
    var total: Int { count.load(ordering: .relaxed) }
}
