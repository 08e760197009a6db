import Domain
import PostgresClient
import Wire

/// Something that changed and that the topics do not tell yet.
struct OutboxEntry: Hashable, Sendable {
    enum Kind: String, Sendable { case device, type }

    let sequence: Int64
    let kind: Kind
    let key: String
    /// The row was removed, by this entry or by a later one: readers forget it before they learn of one that came after under the same key.
    let removed: Bool
}

extension PostgresConnection {
    /// The oldest entries, in their order. To be read in one snapshot with the rows: what a row shows then, an entry tells.
    func outboxEntries(limit: Int) throws -> [OutboxEntry] {
        try queryPrepared(
            "outbox-entries",
            """
            SELECT seq, kind, key,
                EXISTS (SELECT FROM registry.outbox gone WHERE gone.removed AND gone.kind = waiting.kind AND gone.key = waiting.key)
            FROM registry.outbox waiting ORDER BY seq LIMIT $1
            """, [.int64(Int64(limit))]
        ).map { row in
            OutboxEntry(sequence: try row.get(0), kind: try row.choice(1), key: try row.get(2), removed: try row.get(3))
        }
    }

    func removeOutboxEntries(_ entries: [OutboxEntry]) throws {
        var sequences = PostgresArray(of: .int8)
        for entry in entries { sequences.append(entry.sequence) }
        try queryPrepared("outbox-remove", "DELETE FROM registry.outbox WHERE seq = ANY($1)", [.array(sequences)])
    }

    /// Puts subjects at the end, so that they are told once more as they then are.
    func addOutboxEntries(_ subjects: Set<OutboxSubject>) throws {
        try transaction { connection in
            // As the server has it, whatever the session does otherwise: that they are told once more must outlive a crash.
            try connection.execute("SET LOCAL synchronous_commit TO DEFAULT")
            for (kind, keys) in Dictionary(grouping: subjects, by: \.kind) {
                try connection.query(
                    "INSERT INTO registry.outbox (kind, key) SELECT $1, unnest($2)",
                    [.text(kind.rawValue), .array(PostgresArray(texts: keys.map(\.key)))])
            }
        }
    }

    /// Entries waiting, counted up to 100,000, and the age of the oldest in seconds.
    func outboxBacklog() throws -> (count: Int64, age: Double) {
        let row = try queryPrepared(
            "outbox-backlog",
            """
            SELECT (SELECT count(*) FROM (SELECT FROM registry.outbox LIMIT 100000) waiting),
                coalesce(extract(epoch FROM clock_timestamp() - (SELECT at FROM registry.outbox ORDER BY seq LIMIT 1)), 0)::float8
            """, [])[0]
        return (try row.get(0), max(0, try row.get(1)))
    }
}

/// What an entry is about.
struct OutboxSubject: Hashable, Sendable {
    let kind: OutboxEntry.Kind
    let key: String
}
