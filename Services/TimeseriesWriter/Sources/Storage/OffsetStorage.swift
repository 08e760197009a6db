import FaultPoints
import KafkaClient
import PostgresClient

/// `timeseries.sink_offsets`: where each partition goes on. The compare under a row lock is what keeps a second writer out.
enum OffsetStorage {
    static func read(_ partitions: [TopicPartition], on connection: PostgresConnection) throws -> [TopicPartition: Int64] {
        try select(partitions, "", on: connection)
    }

    /// Locks the rows of the steps' partitions and compares them with what the steps build on.
    /// - Throws: `SinkError.fenced` when they differ.
    static func lockAndCompare(_ steps: [OffsetStep], on connection: PostgresConnection) throws {
        let stored = try select(steps.map(\.partition), " FOR UPDATE", on: connection)
        #if FAULT_POINTS
            if SeededBug.unfencedOffset.isActive || SeededBug.commitBeforeWrite.isActive { return }
        #endif
        for step in steps where stored[step.partition] != step.base {
            throw SinkError.fenced(step.partition, stored: stored[step.partition], expected: step.base)
        }
    }

    static func advance(_ steps: [OffsetStep], on connection: PostgresConnection) throws {
        #if FAULT_POINTS
            // With these bugs nobody has compared: the position is set, wherever it stands.
            if SeededBug.unfencedOffset.isActive || SeededBug.commitBeforeWrite.isActive { return try set(steps, on: connection) }
        #endif
        for (topic, steps) in byTopic(steps, \.partition.topic) {
            try write(
                steps.filter { $0.base == nil }, topic, "first_offsets",
                """
                INSERT INTO timeseries.sink_offsets (topic, partition, next_offset)
                SELECT $1, p, n FROM unnest($2::int4[], $3::int8[]) AS w (p, n) ORDER BY p ON CONFLICT DO NOTHING
                """, on: connection)
            try write(
                steps.filter { $0.base != nil }, topic, "next_offsets",
                """
                UPDATE timeseries.sink_offsets s SET next_offset = w.n, updated_at = now()
                FROM unnest($2::int4[], $3::int8[]) AS w (p, n) WHERE s.topic = $1 AND s.partition = w.p
                """, on: connection)
        }
    }

    #if FAULT_POINTS
        private static func set(_ steps: [OffsetStep], on connection: PostgresConnection) throws {
            for step in steps {
                _ = try connection.queryPrepared(
                    "set_offset",
                    """
                    INSERT INTO timeseries.sink_offsets (topic, partition, next_offset) VALUES ($1, $2, $3)
                    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
                    """, [.text(step.partition.topic), .int32(step.partition.partition), .int64(step.next)])
            }
        }
    #endif

    private static func write(
        _ steps: [OffsetStep], _ topic: String, _ name: String, _ sql: String, on connection: PostgresConnection
    ) throws {
        guard let first = steps.first else { return }
        var partitions = PostgresArray(of: .int4)
        var offsets = PostgresArray(of: .int8)
        for step in steps {
            partitions.append(step.partition.partition)
            offsets.append(step.next)
        }
        let result = try connection.queryPrepared(name, sql, [.text(topic), .array(partitions), .array(offsets)])
        // Another writer stored the partition's first offset between our look and our insert.
        guard result.affectedRows == steps.count else { throw SinkError.fenced(first.partition, stored: nil, expected: first.base) }
    }

    private static func select(
        _ partitions: [TopicPartition], _ locking: String, on connection: PostgresConnection
    ) throws -> [TopicPartition: Int64] {
        var stored: [TopicPartition: Int64] = [:]
        for (topic, partitions) in byTopic(partitions, \.topic) {
            var numbers = PostgresArray(of: .int4)
            for partition in partitions { numbers.append(partition.partition) }
            let rows = try connection.queryPrepared(
                "offsets" + locking,
                "SELECT partition, next_offset FROM timeseries.sink_offsets WHERE topic = $1 AND partition = ANY ($2::int4[]) "
                    + "ORDER BY partition" + locking, [.text(topic), .array(numbers)])
            for row in rows { stored[TopicPartition(topic: topic, partition: try row.get(0))] = try row.get(1, as: Int64.self) }
        }
        return stored
    }

    private static func byTopic<T>(_ items: [T], _ topic: (T) -> String) -> [(key: String, value: [T])] {
        Dictionary(grouping: items, by: topic).sorted { $0.key < $1.key }
    }
}
