import KafkaClient

/// How far a transaction moves one Kafka partition.
struct OffsetStep: Equatable {
    var partition: TopicPartition
    /// The stored offset this batch builds on; nil when nothing was stored for the partition yet.
    var base: Int64?
    /// Offset of the first record after the batch.
    var next: Int64
}

/// The points of a write at which a fault must not lose or double anything. Timings are taken between them, tests inject failures at them.
enum WriteStep: String, CaseIterable, Sendable {
    case begin, resolve, lock, plan, copy, ledger
    case deadLetters = "dead_letters"
    case offsets, commit
}

enum SinkError: Error, CustomStringConvertible {
    /// Somebody else moved the partition on (or a backup moved it back): this writer's batch does not follow what is stored.
    case fenced(TopicPartition, stored: Int64?, expected: Int64?)
    /// A ledger row was changed by somebody else since it was read.
    case ledgerConflict(touched: Int, written: Int)
    /// Another writer was stopped in the middle of its transaction and held the locks.
    case blocked(sessionsEnded: Int)

    var description: String {
        switch self {
        case .fenced(let partition, let stored, let expected):
            "\(partition): the database is at offset \(stored.map(String.init) ?? "none"), this writer at "
                + "\(expected.map(String.init) ?? "none"); nothing was written, going on from the database's offset"
        case .ledgerConflict(let touched, let written):
            "another writer changed \(touched - written) of \(touched) stream ledgers; nothing was written, trying again"
        case .blocked(let count):
            "another writer was stopped in the middle of a COPY and kept its locks; \(count) of its sessions with PostgreSQL were ended, "
                + "nothing was written, trying again"
        }
    }
}

/// Where rows and offsets are stored, in one transaction. Confined to the consumer's thread.
protocol SampleSink: AnyObject {
    /// The next offset stored per partition; partitions never stored are left out.
    func nextOffsets(of partitions: [TopicPartition]) throws -> [TopicPartition: Int64]

    /// Stores the batch and moves the offsets: all of it or nothing.
    /// - Parameter beforeCommit: runs when everything but the commit is done; what it throws undoes everything.
    func write(_ batch: inout RowBatch, _ steps: [OffsetStep], beforeCommit: () throws -> Void) throws -> BatchPlan

    /// Makes partitions of the table ahead of need.
    func keepPartitionsAhead(today: Int32) throws

    /// Forgets what a failure or a change of owners has made doubtful: ledgers always; names and the connection when `connectionToo`.
    func forget(connectionToo: Bool)
}
