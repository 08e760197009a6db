internal import Domain
internal import Synchronization

/// What one MQTT connection is doing, for `/v1/sources` and readiness. Written by its thread, once per batch; read by others.
final class SourceStatus: Sendable {
    struct Snapshot: Sendable {
        var state = "disconnected"
        var since: Timestamp
        var sessionPresent = false
        var received: UInt64 = 0
        var produced: UInt64 = 0
        var rejected: UInt64 = 0
        var returned: UInt64 = 0
        var reconnects: UInt64 = 0
        var lastMessage: Timestamp?
        var lastError: String?
        var lastErrorTime: Timestamp?
        var rate = RecentRate()
        /// Of the last batch.
        var batchMessages = 0
        var delivery: Duration?
        var records: UInt64 = 0
        var inFlight: UInt64 { received &- produced &- rejected &- returned }

        mutating func ended(_ summary: BatchSummary, messages: Int, at time: Timestamp, delivery: Duration) {
            produced += UInt64(summary.produced)
            rejected += UInt64(summary.rejectedTotal)
            returned += UInt64(summary.returned)
            records += UInt64(summary.records)
            rate.add(messages, at: time)
            batchMessages = messages
            self.delivery = delivery
        }
    }

    let connection: Int
    let broker: String
    let clientID: String
    let filters: [String]
    /// Whether no other connection of this process gets messages of the same topics.
    let isOrdered: Bool
    private let now: @Sendable () -> Timestamp
    private let stored: Mutex<Snapshot>

    init(connection: Int, broker: String, clientID: String, filters: [String], isOrdered: Bool, now: @escaping @Sendable () -> Timestamp) {
        self.connection = connection
        self.broker = broker
        self.clientID = clientID
        self.filters = filters
        self.isOrdered = isOrdered
        self.now = now
        stored = Mutex(Snapshot(since: now()))
    }

    var snapshot: Snapshot { stored.withLock { $0 } }

    func update(_ body: (inout Snapshot) -> Void) { stored.withLock { body(&$0) } }

    func enter(_ state: String, sessionPresent: Bool = false) {
        let time = now()
        update {
            guard $0.state != state else { return }
            $0.state = state
            $0.since = time
            $0.sessionPresent = sessionPresent
        }
    }

    func note(error: String) {
        let time = now()
        update {
            $0.lastError = error
            $0.lastErrorTime = time
        }
    }
}
