import PostgresClient

/// Reads and writes `timeseries.stream_ledger`, one round trip per batch each.
struct LedgerStorage {
    let maximumRanges: Int
    private var devices = PostgresArray(of: .int4)
    private var streams = PostgresArray(of: .int8)

    init(maximumRanges: Int) { self.maximumRanges = maximumRanges }

    /// Reads the ledgers of `keys` into the book; those without a row start empty.
    mutating func load(_ keys: [StreamKey], into book: inout LedgerBook, on connection: PostgresConnection) throws {
        guard !keys.isEmpty else { return }
        fill(keys)
        let rows = try connection.queryPrepared(
            "load_ledgers",
            """
            SELECT l.device_id, l.stream, l.ranges::text, l.floor, l.received, l.duplicates, l.below_floor, l.version
            FROM unnest($1::int4[], $2::int8[]) AS w (device_id, stream)
            JOIN timeseries.stream_ledger l ON l.device_id = w.device_id AND l.stream = w.stream
            """, [.array(devices), .array(streams)])
        for key in keys { book.load(key, nil) }
        for row in rows {
            let key = StreamKey(device: try row.get(0), stream: UInt64(bitPattern: try row.get(1)))
            book.load(key, LedgerBook.Entry(ledger: try Self.ledger(row, maximumRanges: maximumRanges), version: try row.get(7)))
        }
    }

    /// Writes the touched ledgers. Versions guard against a second writer that has the same stream through another partition.
    mutating func store(_ book: borrowing LedgerBook, on connection: PostgresConnection) throws {
        let keys = book.touched
        guard !keys.isEmpty else { return }
        fill(keys)
        var ranges = PostgresArray(of: .text)
        var numbers = (0..<5).map { _ in PostgresArray(of: .int8) }
        for key in keys {
            guard let entry = book[key] else { preconditionFailure("a touched ledger is not in the book") }
            ranges.append(MultirangeText.encode(entry.ledger.ranges))
            let values = [entry.ledger.floor, entry.ledger.received, entry.ledger.duplicates, entry.ledger.belowFloor]
            for (index, value) in values.enumerated() { numbers[index].append(Int64(clamping: value)) }
            numbers[4].append(entry.version + 1)
        }
        let result = try connection.queryPrepared(
            "store_ledgers", Self.storeSQL, [.array(devices), .array(streams), .array(ranges)] + numbers.map { .array($0) })
        guard result.affectedRows == keys.count else {
            throw SinkError.ledgerConflict(touched: keys.count, written: result.affectedRows)
        }
    }

    private static let storeSQL = """
        INSERT INTO timeseries.stream_ledger AS l
            (device_id, stream, ranges, floor, received, duplicates, below_floor, version)
        SELECT device_id, stream, ranges::int8multirange, floor, received, duplicates, below_floor, version
        FROM unnest($1::int4[], $2::int8[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[])
            AS w (device_id, stream, ranges, floor, received, duplicates, below_floor, version)
        ORDER BY device_id, stream
        ON CONFLICT (device_id, stream) DO UPDATE SET
            ranges = excluded.ranges, floor = excluded.floor, received = excluded.received, duplicates = excluded.duplicates,
            below_floor = excluded.below_floor, version = excluded.version, last_seen = now()
        WHERE l.version = excluded.version - 1
        """

    private mutating func fill(_ keys: [StreamKey]) {
        devices.removeAll()
        streams.removeAll()
        for key in keys {
            devices.append(key.device)
            streams.append(Int64(bitPattern: key.stream))
        }
    }

    /// Columns 2…6 of a row: ranges as text, floor, received, duplicates, below_floor.
    static func ledger(_ row: PostgresRow, maximumRanges: Int) throws -> SequenceLedger {
        let text: String = try row.get(2)
        guard let ranges = MultirangeText.decode(text) else {
            throw PostgresError(
                state: .datatypeMismatch, message: "stream_ledger.ranges holds no ranges of stream numbers: \(text.prefix(80))")
        }
        func number(_ column: Int) throws -> UInt64 { UInt64(clamping: try row.get(column, as: Int64.self)) }
        return SequenceLedger(
            maximumRanges: maximumRanges, ranges: ranges, floor: try number(3), received: try number(4), duplicates: try number(5),
            belowFloor: try number(6))
    }
}
