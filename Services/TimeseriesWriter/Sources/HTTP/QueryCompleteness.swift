import Domain
import HTTPKit

/// Whether all that was stored of what an answer is made from was still there.
struct QueryCompleteness: Sendable, Equatable {
    /// Before this instant (microseconds since the Unix epoch) retention has dropped some of it; nil when it is whole.
    var droppedBefore: Int64?

    /// For the head of a JSON answer.
    var members: QueryAnswer.Members {
        guard let time = droppedBefore.map({ RowValue(Timestamp(microseconds: $0)) }) else { return [("complete", .bool(true))] }
        return [("complete", .bool(false)), ("incomplete_before", time), ("incomplete_reason", .string("dropped by retention"))]
    }

    /// For formats without a head.
    var headers: [(name: String, value: String)] {
        droppedBefore.map { [("Martlet-Incomplete-Before", Timestamp(microseconds: $0).rfc3339)] } ?? []
    }
}
