import FaultPoints
import KafkaClient
import PostgresClient

/// Stores batches in PostgreSQL, exactly once: rows, ledgers and the Kafka offsets move in one transaction, under a lock on the offsets'
/// rows. Confined to the consumer's thread; connects when first needed.
final class PostgresSampleSink: SampleSink {
    private let url: String
    private let options: PostgresOptions
    /// Called at each step, for timings; what it throws fails the write there.
    private let observe: (WriteStep) throws -> Void
    private var connection: PostgresConnection?
    private var directory: SeriesDirectory
    private var ledgers: LedgerBook
    private var ledgerStorage: LedgerStorage
    private var partitions = DayPartitions()
    private var rows = SampleRows()

    init(
        url: String, options: PostgresOptions, seriesCacheSize: Int, ledgerCacheSize: Int, ledgerRanges: Int,
        observe: @escaping (WriteStep) throws -> Void = { _ in }
    ) {
        self.url = url
        self.options = options
        self.observe = observe
        directory = SeriesDirectory(capacity: seriesCacheSize)
        ledgers = LedgerBook(capacity: ledgerCacheSize, maximumRanges: ledgerRanges)
        ledgerStorage = LedgerStorage(maximumRanges: ledgerRanges)
    }

    func nextOffsets(of partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
        try OffsetStorage.read(partitions, on: open())
    }

    func keepPartitionsAhead(today: Int32) throws {
        try partitions.ensure(DayPartitions.ahead.map { today + $0 }, on: open())
    }

    func forget(connectionToo: Bool) {
        ledgers.removeAll()
        guard connectionToo else { return }
        connection = nil
        directory.removeAll()
        partitions.forget()
    }

    func write(_ batch: inout RowBatch, _ steps: [OffsetStep], beforeCommit: () throws -> Void) throws -> BatchPlan {
        let connection = try open()
        do {
            try observe(.begin)
            try directory.resolve(batch, on: connection)
            try partitions.ensure(batch.days, on: connection)
            try observe(.resolve)
            #if FAULT_POINTS
                if SeededBug.commitBeforeWrite.isActive { try connection.transaction { try OffsetStorage.advance(steps, on: $0) } }
            #endif
            let plan = try connection.transaction { connection in
                try store(&batch, steps, on: connection, beforeCommit)
            }
            try observe(.commit)
            ledgers.commit()
            return plan
        } catch {
            // They have taken in the batch already, and nobody knows whether the database has.
            ledgers.removeAll()
            if let error = error as? PostgresError, error.state == .lockNotAvailable {
                let ended = try StoppedSessions.end(on: connection)
                if ended > 0 { throw SinkError.blocked(sessionsEnded: ended) }
            }
            throw error
        }
    }

    private func store(
        _ batch: inout RowBatch, _ steps: [OffsetStep], on connection: PostgresConnection, _ beforeCommit: () throws -> Void
    ) throws -> BatchPlan {
        try OffsetStorage.lockAndCompare(steps, on: connection)
        let horizon = try SealState.holdHorizon(on: connection)
        try observe(.lock)
        var plan = try applyLedgers(to: &batch, on: connection)
        try observe(.plan)
        plan.rowsLate = try rows.copy(batch, seriesIDs: directory.seriesIDs, horizon: horizon, on: connection)
        try observe(.copy)
        try ledgerStorage.store(ledgers, on: connection)
        try observe(.ledger)
        try beforeCommit()
        try observe(.deadLetters)
        try OffsetStorage.advance(steps, on: connection)
        try observe(.offsets)
        return plan
    }

    private func applyLedgers(to batch: inout RowBatch, on connection: PostgresConnection) throws -> BatchPlan {
        var missing: [StreamKey] = []
        batch.forEachStream(deviceIDs: directory.deviceIDs) { key in
            if ledgers.touch(key) { missing.append(key) }
        }
        try ledgerStorage.load(missing, into: &ledgers, on: connection)
        return batch.applyLedgers(&ledgers, deviceIDs: directory.deviceIDs)
    }

    private func open() throws -> PostgresConnection {
        if let connection, connection.isUsable { return connection }
        let fresh = try PostgresConnection(url, options)
        // Acknowledged means on disk, whatever the server's default is; a lock held by a stopped writer ends in an error, not in a wait;
        // a statement sees what was committed while the one before it waited.
        try fresh.execute(
            "SET synchronous_commit = on; SET lock_timeout = '15s'; SET default_transaction_isolation = 'read committed'")
        forget(connectionToo: true)
        connection = fresh
        return fresh
    }
}
