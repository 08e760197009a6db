import Domain

/// Limits of imports.
struct ImportLimits: Sendable {
    var rows = 1_000_000
    /// Of one transaction.
    var batchRows = 5_000
    var batchBytes = 4 << 20
    /// Imports at a time.
    var concurrent = 2
    /// Where results and rows wait that do not fit into memory.
    var spoolFolder = "/tmp"
}

/// One import from the first byte of its file to its results. While the database takes one batch, the next is read; nothing else is held in
/// memory, however long the file.
struct ImportRun {
    private let storage: ImportStorage
    private let limits: ImportLimits
    let job: ImportJob
    private let format: BulkFormat
    private let detail: ResultDetail
    private let resultFormat: BulkFormat

    private var framer: RecordFramer
    private var dialect: ImportDialect?
    private var batch: [ImportRow] = []
    private var batchBytes = 0
    private var rows = 0
    private var inFlight: Task<StoredBatch, any Error>?
    private var pace: ImportPace
    /// Requests that had come when the last batch came back.
    private var requestsBefore: Int
    /// No longer once the file is at its end: its client waits for the answer, with a limit to its patience.
    private var isReading = true
    /// Due before the next batch.
    private var rest = Duration.zero
    private var deferred: DeferredRows
    /// Of a dry run, so that a row finds the parent that the file would have made before: hashes, 8 bytes a device.
    private var imagined: Set<Int> = []
    private(set) var counts = ImportCounts()
    private(set) var results: SpoolFile

    init(
        _ job: ImportJob, format: BulkFormat, detail: ResultDetail, resultFormat: BulkFormat, storage: ImportStorage, limits: ImportLimits
    ) throws(SpoolFile.Failure) {
        (self.job, self.format, self.detail, self.resultFormat) = (job, format, detail, resultFormat)
        (self.storage, self.limits) = (storage, limits)
        pace = ImportPace(mostRows: limits.batchRows)
        requestsBefore = storage.traffic.total
        framer = RecordFramer(format)
        dialect = format == .csv ? nil : .json
        deferred = DeferredRows(folder: limits.spoolFolder)
        results = SpoolFile(folder: limits.spoolFolder)
        if detail != .none || job.secrets != .none, resultFormat == .csv {
            try results.append(Array(ResultText.columns(withSecrets: job.secrets != .none).utf8))
        }
    }

    /// The next piece of the file.
    /// - Throws: `ImportFault` when the file cannot be read on, `PostgresError`, `CancellationError`.
    mutating func feed(_ bytes: [UInt8]) async throws {
        try await take(framer.records(in: bytes))
    }

    /// The end of the file. All that could be stored is stored when it returns.
    mutating func finish() async throws {
        try await take(framer.finish())
        guard dialect != nil else {
            throw ImportFault(code: .malformedFile, line: 1, reason: "the file is empty; its first line must name the columns")
        }
        try await placeAll()
        try await storage.end(job, error: nil)
    }

    /// Waits for the batch that is on its way; what it stores stays.
    mutating func stop(_ reason: String) async {
        if let task = inFlight {
            inFlight = nil
            if let stored = try? await task.value { counts.add(stored.outcome.counts) }
        }
        // A task of its own: this one is cancelled when the client has left. An import that could not say so is told as interrupted.
        let (storage, job) = (storage, job)
        await Task { try? await storage.end(job, error: reason) }.value
    }

    // MARK: rows

    /// - Throws: `ImportFault` once the rows before the place are stored.
    private mutating func take(_ records: [ImportRecord]) async throws {
        do {
            for record in records { try await take(record) }
            if let fault = framer.fault { throw fault }
        } catch let fault as ImportFault {
            try await placeAll()
            throw fault
        }
    }

    private mutating func take(_ record: ImportRecord) async throws {
        guard let dialect else {
            let columns = try CSVColumns(record)
            dialect = .csv(columns)
            return try await storage.keep(columns, of: job)
        }
        rows += 1
        guard rows <= limits.rows else {
            throw ImportFault(
                code: .tooManyRows, line: record.line, reason: "a file has at most \(limits.rows) rows; send the rest as another")
        }
        try await add(dialect.row(record), isLast: false)
    }

    private mutating func add(_ row: ImportRow, isLast: Bool) async throws {
        batch.append(row)
        batchBytes += row.record.bytes.count
        if batch.count >= pace.rows || batchBytes >= limits.batchBytes { try await submit(isLast: isLast) }
    }

    /// Hands the batch to the database once the one before has come back.
    private mutating func submit(isLast: Bool) async throws {
        try await land()
        guard !batch.isEmpty else { return }
        try await takeRest()
        let (rows, storage, job, imagined) = (batch, storage, job, imagined)
        (batch, batchBytes) = ([], 0)
        inFlight = Task {
            let start = ContinuousClock.now
            let outcome = try await storage.apply(rows, of: job, isLast: isLast) { imagined.contains($0.hashValue) }
            return StoredBatch(outcome: outcome, rows: rows.count, time: ContinuousClock.now - start)
        }
    }

    private mutating func land() async throws {
        guard let task = inFlight else { return }
        inFlight = nil
        let stored = try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
        try note(stored.outcome)
        let requests = storage.traffic.total
        rest = pace.landed(taken: stored.rows, time: stored.time, requests: isReading ? requests - requestsBefore : 0)
        requestsBefore = requests
    }

    private mutating func takeRest() async throws {
        guard rest > .zero else { return }
        defer { rest = .zero }
        // The rest itself is meant: its length follows from what the batch took.
        try await Task.sleep(for: rest)
    }

    private mutating func note(_ outcome: BatchOutcome) throws {
        counts.add(outcome.counts)
        for id in outcome.imagined { imagined.insert(id.hashValue) }
        for row in outcome.deferred { try deferred.append(row.record) }
        var bytes: [UInt8] = []
        for result in outcome.results where detail.shows(result) {
            ResultText.append(result, resultFormat, withSecrets: job.secrets != .none, to: &bytes)
        }
        if !bytes.isEmpty { try results.append(bytes) }
    }

    /// What has been read is stored, or refused.
    private mutating func placeAll() async throws {
        (isReading, rest) = (false, .zero)
        try await submit(isLast: false)
        try await land()
        try await placeDeferred()
    }

    /// Rows whose parents stand further down, round after round: each round places what waits behind devices of the round before. When one
    /// places nothing the rest has no parent.
    private mutating func placeDeferred() async throws {
        guard let dialect else { return }
        var isLast = false
        while deferred.count > 0 {
            var waiting = deferred
            deferred = DeferredRows(folder: limits.spoolFolder)
            while let record = try waiting.next() { try await add(dialect.row(record), isLast: isLast) }
            try await submit(isLast: isLast)
            try await land()
            isLast = deferred.count == waiting.count
        }
    }
}

/// A batch that has come back from the database.
private struct StoredBatch: Sendable {
    let outcome: BatchOutcome
    let rows: Int
    let time: Duration
}
