import HTTPKit
import HTTPServer
import Synchronization

/// What one query, and all of them together, may cost.
struct QueryLimits: Sendable {
    var series = 5_000
    /// Rows of buckets in one answer, over all its series.
    var buckets = 1_000_000
    /// Of one series.
    var bucketsPerSeries = 10_000
    /// Samples that have to be read.
    var points: Int64 = 20_000_000
    /// Queries being answered at a time.
    var concurrent = 32
}

/// Counts the queries that are being answered: each holds some memory for as long as its client takes to read.
final class QuerySlots: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    var inUse: Int { taken.withLock { $0 } }

    /// - Returns: a slot, free again when nobody holds it any more.
    func take() throws(APIError) -> QuerySlot {
        let isFree = taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
        guard isFree else {
            throw APIError(
                .queriesBusy, "\(limit) queries are being answered already; try again later, or raise query.concurrent",
                headers: ["Retry-After": "1"])
        }
        return QuerySlot(slots: self)
    }

    fileprivate func giveBack() { taken.withLock { $0 -= 1 } }
}

/// Held by the answer: however it ends, sent or not, its slot is given back.
final class QuerySlot: Sendable {
    private let slots: QuerySlots

    fileprivate init(slots: QuerySlots) { self.slots = slots }

    deinit { slots.giveBack() }
}
