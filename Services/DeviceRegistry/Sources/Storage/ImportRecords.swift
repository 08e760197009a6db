import Domain
import JSON
import PostgresClient

/// An import as it is told of afterwards.
struct ImportState: Sendable {
    let id: Int64
    let document: JSONValue
    let format: BulkFormat
    let header: [UInt8]
    /// Cells of reasons that its rows began with.
    let skippedCells: Int
}

/// A row that was refused.
struct ImportFailure: Sendable {
    let line: Int64
    let fault: RowFault
    let record: [UInt8]
}

extension ImportStorage {
    /// Without a batch for so long an import that says it runs was killed.
    private static let silence = Duration.seconds(60)

    /// - Returns: nil when there is no such import, or it is too long ago.
    func state(of id: Int64) async throws -> ImportState? {
        let silent = now().advanced(by: .zero - Self.silence).microseconds
        return try await database.read { connection in
            try connection.query(
                """
                SELECT mode, format, dry_run, CASE WHEN state = 'running' AND touched_at < $2 THEN 'interrupted' ELSE state END, error,
                    created, updated, unchanged, failed, started_at, touched_at, coalesce(header, ''), skipped_cells, actor
                FROM registry.imports WHERE id = $1
                """, [.int64(id), .timestamp(microseconds: silent)]
            ).first.map { try Self.state($0, id) }
        }
    }

    private static func state(_ row: PostgresRow, _ id: Int64) throws -> ImportState {
        let counts = ImportCounts(created: try row.get(5), updated: try row.get(6), unchanged: try row.get(7), failed: try row.get(8))
        let texts: [(String, String?)] = [
            ("state", try row.get(3)), ("error", try row.optional(4)), ("actor", try row.get(13)), ("mode", try row.get(0)),
            ("format", try row.get(1)), ("started_at", try row.time(9).rfc3339), ("touched_at", try row.time(10).rfc3339),
        ]
        var members = [JSONValue.Member(name: "id", value: .int(id))]
        for (name, text) in texts { if let text { members.append(.init(name: name, value: .string(text))) } }
        members.append(.init(name: "dry_run", value: .bool(try row.get(2))))
        return ImportState(
            id: id, document: .object(members + counts.members), format: try row.choice(1), header: try row.get(11),
            skippedCells: Int(try row.get(12, as: Int32.self)))
    }

    /// Rows that were refused, in the order of the file.
    func failures(of id: Int64, after line: Int64, limit: Int) async throws -> [ImportFailure] {
        try await database.read { connection in
            try connection.query(
                """
                SELECT line, code, field, message, record FROM registry.import_failures WHERE import = $1 AND line > $2 ORDER BY line LIMIT $3
                """, [.int64(id), .int64(line), .int64(Int64(limit))]
            ).map { row in
                ImportFailure(
                    line: try row.get(0), fault: RowFault(try row.get(1), try row.optional(2), try row.get(3)), record: try row.get(4))
            }
        }
    }
}
