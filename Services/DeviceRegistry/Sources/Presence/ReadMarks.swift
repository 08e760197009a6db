import Domain
import KafkaClient
import PostgresClient

/// `registry.presence_offsets`: how far the topics have been read, stored with what was read.
extension PostgresConnection {
    func nextOffsets(of partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
        var stored: [TopicPartition: Int64] = [:]
        for row in try query("SELECT topic, partition, next_offset FROM registry.presence_offsets") {
            stored[TopicPartition(topic: try row.get(0), partition: try row.get(1))] = try row.get(2, as: Int64.self)
        }
        // Nothing read yet: the oldest record need not be the first that ever was.
        return stored.filter { $0.value > 0 && partitions.contains($0.key) }
    }

    /// A replica that was thrown out of the group may set an offset back: its successor reads on from memory, and what is read again
    /// changes nothing.
    func storeMarks(_ marks: [TopicPartition: ReadMark]) throws {
        guard !marks.isEmpty else { return }
        var topics = PostgresArray(of: .text)
        var partitions = PostgresArray(of: .int4)
        var offsets = PostgresArray(of: .int8)
        var times = PostgresArray(of: .timestamptz)
        for (partition, mark) in marks.sorted(by: { $0.key < $1.key }) {
            topics.append(partition.topic)
            partitions.append(partition.partition)
            offsets.append(mark.next)
            if let until = mark.until { times.append(timestamp: until.microseconds) } else { times.appendNull() }
        }
        try queryPrepared(
            "presence-marks",
            """
            INSERT INTO registry.presence_offsets (topic, partition, next_offset, read_until)
            SELECT m.topic, m.partition, m.next, coalesce(m.until, '-infinity')
            FROM unnest($1::text[], $2::int4[], $3::int8[], $4::timestamptz[]) AS m(topic, partition, next, until)
            ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset,
                read_until = greatest(presence_offsets.read_until, excluded.read_until)
            """, [.array(topics), .array(partitions), .array(offsets), .array(times)])
    }

    /// Turns devices offline of which nothing came for longer than their type's heartbeat, as of the time by which every partition has been
    /// read: what waits in Kafka is no silence. One replica at a time; rows that others hold wait for the next look.
    /// - Returns: how many became offline.
    func sweepSilent(topics: [String], limit: Int) throws -> Int {
        try transaction { connection in
            let mine = try connection.queryPrepared(
                "presence-sweeper", "SELECT pg_try_advisory_xact_lock(hashtext('registry.presence'), 0)", [])[0].get(0, as: Bool.self)
            guard mine else { return 0 }
            return try connection.queryPrepared(
                "presence-sweep",
                """
                WITH read AS (SELECT least(min(read_until), now()) AS until FROM registry.presence_offsets WHERE topic = ANY($1)),
                late AS (
                    SELECT p.device, p.last_seen + t.heartbeat_seconds * interval '1 second' AS deadline
                    FROM registry.presence p JOIN registry.devices d ON d.id = p.device JOIN registry.types t ON t.name = d.type
                    WHERE p.reached <> 'offline'
                        AND p.last_seen < (SELECT until FROM read) - t.heartbeat_seconds * interval '1 second'
                    LIMIT $2 FOR NO KEY UPDATE OF p SKIP LOCKED FOR SHARE OF d SKIP LOCKED)
                UPDATE registry.presence p SET silent = true, reached = 'offline',
                    status = CASE WHEN maintenance_since IS NULL THEN 'offline' ELSE status END,
                    version = version + (maintenance_since IS NULL)::integer,
                    since = CASE WHEN maintenance_since IS NULL THEN greatest(since, late.deadline) ELSE since END
                FROM late WHERE p.device = late.device
                """, [.array(PostgresArray(texts: topics)), .int64(Int64(limit))]
            ).affectedRows
        }
    }
}
