import Domain
import KafkaClient
import Wire

/// Takes records into the batch, in order per partition, and keeps count of how far each partition is. Confined to the consumer's thread.
struct RecordIntake {
    private struct Progress {
        var base: Int64?
        var next: Int64?
    }

    let topic: String
    let backfill: Duration
    let future: Duration
    private(set) var batch = RowBatch()
    /// Records taken since the last commit, dead letters included.
    private(set) var pending = 0
    private var buffer = TelemetryBuffer()
    private var progress: [Int32: Progress] = [:]

    /// - Parameters:
    ///   - backfill: how far back a sample's time may lie.
    ///   - future: how far ahead.
    init(topic: String, backfill: Duration, future: Duration) {
        self.topic = topic
        self.backfill = backfill
        self.future = future
    }

    /// What the transaction of the pending records moves.
    var steps: [OffsetStep] {
        progress.compactMap { partition, progress in
            progress.next.map { OffsetStep(partition: TopicPartition(topic: topic, partition: partition), base: progress.base, next: $0) }
        }.sorted { $0.partition < $1.partition }
    }

    /// Begins anew at the stored offsets: pending records are forgotten.
    mutating func place(_ partitions: [TopicPartition], at stored: [TopicPartition: Int64]) {
        progress = Dictionary(uniqueKeysWithValues: partitions.map { ($0.partition, Progress(base: stored[$0], next: nil)) })
        clear()
    }

    /// - Returns: records forgotten.
    @discardableResult
    mutating func discard() -> Int {
        defer { clear() }
        for partition in progress.keys { progress[partition]?.next = nil }
        return pending
    }

    mutating func removePartitions() {
        progress.removeAll()
        clear()
    }

    /// The pending records are stored: the next ones build on them.
    mutating func committed() {
        for (partition, state) in progress {
            if let next = state.next { progress[partition] = Progress(base: next, next: nil) }
        }
        clear()
    }

    /// Gives the batch to the sink, which marks its repeats in place.
    mutating func withBatch<R>(_ body: (inout RowBatch) throws -> R) rethrows -> R { try body(&batch) }

    /// Takes one record.
    /// - Returns: the dead letter when the record cannot be stored. Nil also for partitions that are not ours (any more).
    mutating func take(_ record: borrowing KafkaRecord, now: Timestamp) -> DeadLetter? {
        let partition = record.partition
        guard progress[partition] != nil else { return nil }
        progress[partition]?.next = record.offset + 1
        pending += 1
        let value = record.value
        do {
            try TelemetryCodec.decode(value, into: &buffer)
        } catch {
            return letter(record, now, .decode, error.code.rawValue, "not a readable TelemetryBatch: \(error)")
        }
        let accepted = now.advanced(by: .zero - backfill)...now.advanced(by: future)
        guard let refused = batch.append(buffer, accepted: accepted) else { return nil }
        return letter(
            record, now, .store, "time_out_of_range",
            "a sample's time is \(refused.rfc3339); accepted is \(accepted.lowerBound.rfc3339) to \(accepted.upperBound.rfc3339)")
    }

    private func letter(
        _ record: borrowing KafkaRecord, _ now: Timestamp, _ stage: DeadLetter.Stage, _ reason: String, _ text: String
    ) -> DeadLetter {
        let key = String(decoding: record.key, as: UTF8.self)
        return DeadLetter(
            payload: record.value, sourceTopic: topic, identity: key.isEmpty ? nil : key, stage: stage, reasonCode: reason, text: text,
            time: now, origin: DeadLetter.Origin(topic: topic, partition: record.partition, offset: record.offset))
    }

    private mutating func clear() {
        batch.removeAll()
        pending = 0
    }
}
