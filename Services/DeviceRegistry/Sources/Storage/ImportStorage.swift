import Domain
import JSON
import PostgresClient

/// One import as it is carried out.
struct ImportJob: Sendable {
    let id: Int64
    let mode: ImportMode
    let isDryRun: Bool
    var secrets = SecretIssue.none
    let author: Author
}

/// What became of a batch.
struct BatchOutcome: Sendable {
    var results: [RowResult]
    /// Rows that wait for their parent.
    let deferred: [ImportRow]
    let counts: ImportCounts
    /// Ids of devices that a dry run would have made.
    let imagined: [DeviceID]
}

/// Carries out imports, batch by batch. A batch is one transaction: its devices, outbox entries, audit rows, refused rows and counts are
/// all there or none of them.
struct ImportStorage: Sendable {
    /// How often a batch whose rows someone else made or removed meanwhile is planned anew.
    private static let attempts = 5
    /// How long imports and their refused rows are kept.
    static let keptFor = Duration.seconds(7 * 86_400)

    /// Connections of its own: those of requests are never taken.
    let database: RegistryDatabase
    /// What an import gives way to.
    let traffic: RequestTraffic
    /// Nil: no secret can be issued.
    var master: MasterKey?
    let now: @Sendable () -> Timestamp

    func begin(
        _ mode: ImportMode, _ format: BulkFormat, isDryRun: Bool, secrets: SecretIssue = .none, by author: Author
    ) async throws -> ImportJob {
        guard secrets == .none || master != nil else { throw Refusal.withoutMasterKey }
        let kept = now().advanced(by: .zero - Self.keptFor).microseconds
        let id: Int64 = try await database.change(author) { connection in
            try connection.query("DELETE FROM registry.imports WHERE started_at < $1", [.timestamp(microseconds: kept)])
            return try connection.query(
                """
                INSERT INTO registry.imports (actor, request_id, mode, format, dry_run) VALUES ($1, $2, $3, $4, $5) RETURNING id
                """,
                [
                    .text(author.actor), PostgresValue(author.requestID), .text(mode.rawValue), .text(format.rawValue), .bool(isDryRun),
                ])[0].get(0)
        }
        return ImportJob(id: id, mode: mode, isDryRun: isDryRun, secrets: secrets, author: author)
    }

    func keep(_ columns: CSVColumns, of job: ImportJob) async throws {
        try await database.change(job.author) { connection in
            _ = try connection.query(
                "UPDATE registry.imports SET header = $2, skipped_cells = $3 WHERE id = $1",
                [.int64(job.id), .bytes(columns.header), .int32(Int32(columns.errorCount))])
        }
    }

    /// - Parameter error: why it ends early.
    func end(_ job: ImportJob, error: String?) async throws {
        try await database.change(job.author) { connection in
            _ = try connection.query(
                "UPDATE registry.imports SET state = $2, error = $3, touched_at = now() WHERE id = $1",
                [.int64(job.id), .text(error == nil ? "finished" : "stopped"), PostgresValue(error)])
        }
    }

    /// - Parameters:
    ///   - isLast: rows without their parent are refused, not deferred.
    ///   - imagined: whether a dry run would have made a device before.
    func apply(
        _ rows: [ImportRow], of job: ImportJob, isLast: Bool, imagined: @escaping @Sendable (DeviceID) -> Bool
    ) async throws -> BatchOutcome {
        let (now, master) = (now(), master)
        var attempt = 1
        while true {
            do {
                return try await database.change(job.author) { connection in
                    var known = try connection.known(to: rows, isLocking: !job.isDryRun)
                    if job.isDryRun { known.imagine(imagined, in: rows) }
                    let plan = ImportPlan(rows, mode: job.mode, known: known, now: now)
                    if !job.isDryRun { try connection.carryOut(plan, job) }
                    var outcome = try connection.record(plan, rows, job, isLast: isLast)
                    if let master, job.secrets != .none, !job.isDryRun {
                        try connection.issueSecrets(for: &outcome.results, job, master, at: now)
                    }
                    return outcome
                }
            } catch let error as PostgresError where Self.isLostRace(error) && attempt < Self.attempts {
                attempt += 1
            }
        }
    }

    /// A device, a type or a parent came into being or went away between the look and the write.
    private static func isLostRace(_ error: PostgresError) -> Bool {
        error.state == .uniqueViolation || error.state == .foreignKeyViolation
    }
}

extension ImportPlan.Known {
    fileprivate mutating func imagine(_ imagined: (DeviceID) -> Bool, in rows: [ImportRow]) {
        for parent in rows.compactMap(\.namedParent) where ancestors[parent] == nil && imagined(parent) {
            ancestors[parent] = ImportPlan.Ancestor()
        }
    }
}

extension ImportRow {
    fileprivate var namedParent: DeviceID? {
        guard case .success(let content) = content, let text = content.patch["parent"]?.stringValue else { return nil }
        return try? DeviceID(text)
    }
}

extension PostgresConnection {
    /// What the rows name, held still until the end of the transaction.
    fileprivate func known(to rows: [ImportRow], isLocking: Bool) throws -> ImportPlan.Known {
        var known = ImportPlan.Known()
        var ids = PostgresArray(of: .text)
        var types = Set<String>()
        let parents = Set(rows.compactMap(\.namedParent))
        for row in rows {
            guard case .success(let content) = row.content else { continue }
            ids.append(content.id.text)
            if let type = content.patch["type"]?.stringValue { types.insert(type) }
        }
        // Before the rows are locked: the other order, which changes of one device have, is sorted out by the server's deadlock check.
        if !parents.isEmpty, isLocking { try execute("SELECT pg_advisory_xact_lock(hashtext('registry.parents'), 0)") }
        let lock = isLocking ? "FOR NO KEY UPDATE OF d" : ""
        // Presence does not matter here, and is not looked up.
        let tables = "registry.devices d LEFT JOIN registry.presence p ON false"
        let sql = "SELECT \(StoredDevice.columns) FROM \(tables) WHERE d.id = ANY($1) ORDER BY d.id \(lock)"
        for row in try query(sql, [.array(ids)]) {
            let device = try StoredDevice(row).device
            known.devices[device.id] = device
            types.insert(device.type.text)
        }
        known.types = try defaultLabels(of: types)
        if !parents.isEmpty { known.ancestors = try ancestors(of: parents) }
        return known
    }

    private func defaultLabels(of types: Set<String>) throws -> [RegistryName: LabelSet] {
        let names = PostgresArray(texts: types.sorted())
        var labels: [RegistryName: LabelSet] = [:]
        for row in try query("SELECT name, labels::text FROM registry.types WHERE name = ANY($1)", [.array(names)]) {
            labels[try row.name(0)] = try LabelSet(try row.json(1) ?? .null)
        }
        return labels
    }

    private func ancestors(of parents: Set<DeviceID>) throws -> [DeviceID: ImportPlan.Ancestor] {
        let ids = PostgresArray(texts: parents.sorted().map(\.text))
        let rows = try query(
            """
            WITH RECURSIVE chain(id, parent, deleted, depth) AS (
                SELECT id, parent, deleted_at IS NOT NULL, 1 FROM registry.devices WHERE id = ANY($1)
                UNION SELECT d.id, d.parent, d.deleted_at IS NOT NULL, chain.depth + 1
                    FROM chain JOIN registry.devices d ON d.id = chain.parent WHERE chain.depth <= \(ImportPlan.deepestParents))
            SELECT DISTINCT id, parent, deleted FROM chain
            """, [.array(ids)])
        var ancestors: [DeviceID: ImportPlan.Ancestor] = [:]
        for row in rows {
            ancestors[try DeviceID(row.get(0))] = ImportPlan.Ancestor(
                parent: try row.optional(1, as: String.self).map { try DeviceID($0) }, isDeleted: try row.get(2))
        }
        return ancestors
    }

    /// Each device has an audit entry of its own: of those that change with before and after, of those that are new with the import alone,
    /// as their rows, or what later entries hold as `before`, say who they were from the start.
    fileprivate func carryOut(_ plan: ImportPlan, _ job: ImportJob) throws {
        let (creations, updates) = (plan.creations, plan.updates)
        if !creations.isEmpty {
            try execute("SELECT set_config('registry.audit', 'batch', true)")
            try copy(creations)
            try execute("SELECT set_config('registry.audit', 'rows', true)")
            try query(
                """
                INSERT INTO registry.audit (actor, action, kind, key, after, request_id)
                VALUES ($1, 'import', 'import', $2, jsonb_build_object('created', $3::bigint, 'first', $4::text, 'last', $5::text), $6)
                """,
                [
                    .text(job.author.actor), .text("\(job.id)"), .int64(Int64(creations.count)), PostgresValue(creations.first?.id.text),
                    PostgresValue(creations.last?.id.text), PostgresValue(job.author.requestID),
                ])
            try queryPrepared(
                "import-audit",
                """
                INSERT INTO registry.audit (actor, action, kind, key, after, request_id)
                SELECT $1, 'import', 'device', id, jsonb_build_object('import', $2::bigint), $3 FROM unnest($4::text[]) id
                """,
                [
                    .text(job.author.actor), .int64(job.id), PostgresValue(job.author.requestID),
                    .array(PostgresArray(texts: creations.map(\.id.text))),
                ])
        }
        if !updates.isEmpty { try update(updates) }
    }

    /// Counts the batch, and keeps the rows that were refused.
    fileprivate func record(_ plan: ImportPlan, _ rows: [ImportRow], _ job: ImportJob, isLast: Bool) throws -> BatchOutcome {
        var results = plan.results
        if isLast {
            results += plan.deferred.map { row in
                let id = try? row.content.get().id.text
                let parent = row.namedParent?.text ?? ""
                let refusal = Refusal(.parentUnknown, "parent", "there is no device \(parent), neither stored nor in the file")
                return RowResult(line: row.line, id: id, outcome: .failed(RowFault(refusal)))
            }
        }
        var counts = ImportCounts()
        for result in results { counts.add(result.outcome) }
        if counts.failed > 0 { try keepFailures(results, rows, job) }
        try queryPrepared(
            "import-counts",
            """
            UPDATE registry.imports SET created = created + $2, updated = updated + $3, unchanged = unchanged + $4, failed = failed + $5,
                touched_at = now() WHERE id = $1
            """, [.int64(job.id), .int64(counts.created), .int64(counts.updated), .int64(counts.unchanged), .int64(counts.failed)])
        return BatchOutcome(
            results: results, deferred: isLast ? [] : plan.deferred, counts: counts,
            imagined: job.isDryRun ? plan.creations.map(\.id) : [])
    }

    private func keepFailures(_ results: [RowResult], _ rows: [ImportRow], _ job: ImportJob) throws {
        let records = Dictionary(rows.map { ($0.line, $0.record.bytes) }) { first, _ in first }
        try copyIn("COPY registry.import_failures (import, line, code, field, message, record) FROM STDIN (FORMAT binary)") { writer in
            for result in results {
                guard let fault = result.fault else { continue }
                writer.beginRow(columns: 6)
                writer.int8(job.id)
                writer.int8(Int64(result.line))
                writer.text(fault.code)
                if let field = fault.field { writer.text(field.stored) } else { writer.null() }
                writer.text(fault.message.stored)
                (records[result.line] ?? []).withUnsafeBytes { writer.bytes($0) }
            }
        }
    }
}

extension String {
    /// PostgreSQL's `text` holds no U+0000, which a name in a refused row may.
    fileprivate var stored: String { utf8.contains(0) ? String(decoding: utf8.filter { $0 != 0 }, as: UTF8.self) : self }
}
