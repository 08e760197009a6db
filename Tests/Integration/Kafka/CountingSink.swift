import Domain
import KafkaClient
import Synchronization
import TestSupport

/// A store that keeps data and offsets in one transaction, as the real sinks do: the oracle of the consumer's promise.
final class CountingSink: Sendable {
    struct Zombie: Error {}

    private struct Content: Sendable {
        var next: [TopicPartition: Int64] = [:]
        var times: [String: Int] = [:]
    }

    private let content = Mutex(Content())

    func offsets(of partitions: [TopicPartition]) -> [TopicPartition: Int64] {
        content.withLock { content in content.next.filter { partitions.contains($0.key) } }
    }

    /// Stores texts of one partition that start at `first`; refuses when the store is elsewhere already.
    func store(_ texts: [String], of partition: TopicPartition, from first: Int64) throws {
        try content.withLock { content in
            guard content.next[partition, default: 0] == first else { throw Zombie() }
            content.next[partition] = first + Int64(texts.count)
            for text in texts { content.times[text, default: 0] += 1 }
        }
    }

    var count: Int { content.withLock { $0.times.count } }
    var doubled: [String] { content.withLock { $0.times.filter { $0.value > 1 }.keys.sorted() } }
    func contains(_ text: String) -> Bool { content.withLock { $0.times[text] != nil } }
}

/// Consumes into a `CountingSink`, batch by batch, as a service's loop does.
final class SinkOwner: PartitionOwner {
    let sink: CountingSink
    /// What the open batch holds, per partition.
    private var batch: [TopicPartition: (first: Int64, texts: [String])] = [:]
    private(set) var assignments = 0
    private(set) var revocations: [Bool] = []

    init(_ sink: CountingSink) { self.sink = sink }

    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
        assignments += 1
        return sink.offsets(of: partitions)
    }

    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool) {
        revocations.append(lost)
        for partition in partitions { batch[partition] = nil }
    }

    /// One batch: collect, store, report for display.
    /// - Returns: records stored.
    @discardableResult
    func step(_ consumer: KafkaConsumer, max: Int = 500) throws -> Int {
        batch.removeAll()
        try consumer.poll(max: max, timeout: .milliseconds(100)) { record in
            let partition = record.topicPartition
            let text = String(decoding: record.value, as: UTF8.self)
            if batch[partition] == nil { batch[partition] = (record.offset, []) }
            batch[partition]?.texts.append(text)
        }
        var next: [TopicPartition: Int64] = [:]
        for (partition, part) in batch {
            try sink.store(part.texts, of: partition, from: part.first)
            next[partition] = part.first + Int64(part.texts.count)
        }
        consumer.commitForDisplay(next)
        return next.isEmpty ? 0 : batch.values.reduce(0) { $0 + $1.texts.count }
    }
}

/// Repeats `step` until `condition` holds; what is retriable is tried again.
func consume(
    _ owner: SinkOwner, _ consumer: KafkaConsumer, within seconds: Double = 60, until condition: () -> Bool
) throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        guard ContinuousClock.now < deadline else {
            throw SupportError("waited \(seconds) s for records; the sink has \(owner.sink.count)")
        }
        do {
            try owner.step(consumer)
        } catch let error as KafkaError where error.isRetriable {
            continue
        }
    }
}

extension KafkaProducer {
    /// Produces texts (key = value) and waits until all are stored.
    func store(_ texts: [String], in topic: String) throws {
        let handle = try handle(forTopic: topic)
        var failed: KafkaError?
        for (index, text) in texts.enumerated() {
            var text = text
            try text.withUTF8 { bytes in
                try enqueue(to: handle, key: UnsafeRawBufferPointer(bytes), value: UnsafeRawBufferPointer(bytes), tag: UInt64(index))
            }
            if index % 1000 == 0 { try drainDeliveries(timeout: .zero) { failed = failed ?? $1 } }
        }
        guard flush(timeout: .seconds(60), { failed = failed ?? $1 }), failed == nil else {
            throw SupportError("not everything was stored: \(failed.map { "\($0)" } ?? "\(outstanding) outstanding")")
        }
    }
}

func kafkaConfiguration(_ bootstrap: String, client: String = "integration") -> KafkaConfiguration {
    KafkaConfiguration(
        bootstrap: bootstrap, clientID: client, sessionTimeout: .seconds(6), statisticsInterval: .zero,
        extra: ["fetch.wait.max.ms": "50", "log_level": "2"])
}
