internal import CPostgres
internal import Glibc

/// What a connection is opened with, apart from its address.
public struct PostgresOptions: Sendable {
    public var applicationName: String
    /// Whole seconds libpq may take to connect.
    public var connectTimeoutSeconds: Int
    /// The server ends statements that run longer. Zero: no limit.
    public var statementTimeout: Duration
    /// The server ends a session that sits in an open transaction longer, so that a stopped process does not hold its locks.
    /// Zero: no limit.
    public var idleInTransactionTimeout: Duration
    /// What the session asks for.
    public var planning: Planning

    /// What the server's planner is told to expect.
    public enum Planning: Sendable {
        /// Nothing besides its own settings.
        case asServer
        /// Many short answers at a time, off solid-state disks: parallel workers take longer to start than they save.
        case shortAnswers
        /// Few rows of tables that may grow a thousandfold while a plan is kept: one that was made while they were empty must not read all
        /// of them later.
        case growingTables
    }

    public init(
        applicationName: String, connectTimeoutSeconds: Int = 5, statementTimeout: Duration = .seconds(30),
        idleInTransactionTimeout: Duration = .seconds(10), planning: Planning = .asServer
    ) {
        self.applicationName = applicationName
        self.planning = planning
        self.connectTimeoutSeconds = connectTimeoutSeconds
        self.statementTimeout = statementTimeout
        self.idleInTransactionTimeout = idleInTransactionTimeout
    }

    fileprivate var serverSettings: String {
        "-c statement_timeout=\(statementTimeout.milliseconds)"
            + " -c idle_in_transaction_session_timeout=\(idleInTransactionTimeout.milliseconds)"
            // A client that vanished without a word is noticed within half a minute, also in the middle of a COPY.
            + " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000"
            + " -c TimeZone=UTC -c DateStyle=ISO"
            // On by default in PostgreSQL 12 and later: compiling a statement takes longer than most of ours run.
            + " -c jit=off"
            + planning.serverSettings
    }
}

extension PostgresOptions.Planning {
    fileprivate var serverSettings: String {
        let alone = " -c max_parallel_workers_per_gather=0"
        return switch self {
        case .asServer: ""
        case .shortAnswers: alone + " -c random_page_cost=1.1"
        case .growingTables: alone + " -c enable_seqscan=off"
        }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}

/// One session with a PostgreSQL server over libpq, confined to one thread: its calls block, so it belongs on a thread of its own
/// or behind ``PostgresPool``, never on the cooperative pool.
///
/// After an error with ``PostgresError/isConnectionLoss`` the session is dead: close it and open another.
public final class PostgresConnection {
    let pointer: OpaquePointer
    private let copyBuffer: UnsafeMutableRawBufferPointer
    private var prepared: Set<String> = []

    /// - Parameter url: a connection string of libpq: `postgresql://user:password@host:port/database?…` or `key=value …`.
    public init(_ url: String, _ options: PostgresOptions) throws(PostgresError) {
        // libpq unfolds the string in `dbname` where it stands: what comes before is a default that the string may override.
        let settings: [(String, String)] = [
            ("application_name", options.applicationName), ("connect_timeout", "\(options.connectTimeoutSeconds)"),
            ("client_encoding", "UTF8"), ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"), ("options", options.serverSettings), ("dbname", url),
        ]
        guard let connection = Self.connect(settings) else {
            throw PostgresError(state: .cannotConnect, message: "libpq is out of memory")
        }
        guard PQstatus(connection) == CONNECTION_OK else {
            let reason = PostgresError.oneLine(String(cString: PQerrorMessage(connection)))
            PQfinish(connection)
            throw PostgresError(state: .cannotConnect, message: "cannot connect: \(reason)")
        }
        PQsetNoticeProcessor(connection, { _, _ in }, nil)  // notices would go to stderr between our JSON lines
        pointer = connection
        copyBuffer = .allocate(byteCount: CopyBinaryWriter.flushThreshold + 16 * 1024, alignment: 16)
    }

    private static func connect(_ settings: [(String, String)]) -> OpaquePointer? {
        let keys = settings.map { strdup($0.0) }
        let values = settings.map { strdup($0.1) }
        defer { for text in keys + values { free(text) } }
        return (keys.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { keys in
            (values.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { values in
                PQconnectdbParams(keys.baseAddress, values.baseAddress, 1)
            }
        }
    }

    deinit {
        PQfinish(pointer)
        copyBuffer.deallocate()
    }

    /// Whether libpq still believes in the session; it learns of a dead server only by using it.
    public var isUsable: Bool { PQstatus(pointer) == CONNECTION_OK }

    public var isInTransaction: Bool { PQtransactionStatus(pointer) != PQTRANS_IDLE }

    public var serverProcessID: Int32 { PQbackendPID(pointer) }

    /// Server version as `150005`.
    public var serverVersion: Int { Int(PQserverVersion(pointer)) }

    public func makeCanceller() -> PostgresCanceller { PostgresCanceller(connection: pointer) }

    /// Runs SQL text without parameters or rows; several statements may be separated by semicolons (one implicit transaction).
    public func execute(_ sql: String) throws(PostgresError) {
        let result = PQexec(pointer, sql)
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return
        default: throw PostgresError(result: result, connection: pointer, statement: sql)
        }
    }

    /// Runs one statement with binary parameters `$1…` and gives its whole answer: for answers known to be small.
    @discardableResult
    public func query(_ sql: String, _ parameters: [PostgresValue] = []) throws(PostgresError) -> PostgresResult {
        let result = EncodedParameters(parameters).withPointers { count, types, values, lengths, formats in
            PQexecParams(pointer, sql, count, types, values, lengths, formats, 1)
        }
        return try check(result, sql)
    }

    /// As ``query(_:_:)``, parsed and planned once per session under `name`.
    @discardableResult
    public func queryPrepared(_ name: String, _ sql: String, _ parameters: [PostgresValue] = []) throws(PostgresError) -> PostgresResult {
        let encoded = EncodedParameters(parameters)
        if !prepared.contains(name) {
            let result = PQprepare(pointer, name, sql, Int32(encoded.types.count), encoded.types)
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_COMMAND_OK else {
                throw PostgresError(result: result, connection: pointer, statement: sql)
            }
            prepared.insert(name)
        }
        let result = encoded.withPointers { count, _, values, lengths, formats in
            PQexecPrepared(pointer, name, count, values, lengths, formats, 1)
        }
        return try check(result, sql)
    }

    /// Runs `body` in a transaction: commits when it returns, rolls back when it throws.
    /// An error of the commit itself leaves open whether the work was kept.
    public func transaction<R>(_ body: (PostgresConnection) throws -> R) throws -> R {
        try execute("BEGIN")
        let value: R
        do {
            value = try body(self)
        } catch {
            // The first error is the one to report; a rollback that fails as well leaves a dead session, which `isUsable` shows.
            if isUsable { try? execute("ROLLBACK") }
            throw error
        }
        try execute("COMMIT")
        return value
    }

    private func check(_ result: OpaquePointer?, _ sql: String) throws(PostgresError) -> PostgresResult {
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK:
            guard let result else { break }
            return PostgresResult(owning: result)
        default: break
        }
        defer { PQclear(result) }
        throw PostgresError(result: result, connection: pointer, statement: sql)
    }
}

extension PostgresConnection {
    /// Streams an answer row by row (libpq's single-row mode): memory stays at one row however long the answer is.
    /// - Parameter body: returns false to stop; the rest is then cancelled at the server and discarded.
    /// - Returns: rows given to `body`.
    @discardableResult
    public func stream(
        _ sql: String, _ parameters: [PostgresValue] = [], _ body: (PostgresRow) throws -> Bool
    ) throws -> Int {
        let sent = EncodedParameters(parameters).withPointers { count, types, values, lengths, formats in
            PQsendQueryParams(pointer, sql, count, types, values, lengths, formats, 1)
        }
        guard sent == 1, PQsetSingleRowMode(pointer) == 1 else {
            throw PostgresError(result: nil, connection: pointer, statement: sql)
        }
        var rows = 0
        do {
            while let result = PQgetResult(pointer) {
                guard PQresultStatus(result) == PGRES_SINGLE_TUPLE else {
                    _ = try check(result, sql)
                    continue
                }
                rows += 1
                if try !body(PostgresResult(owning: result)[0]) {
                    abandon()
                    break
                }
            }
        } catch {
            abandon()
            throw error
        }
        return rows
    }

    /// Ends a running statement and reads away what is left of its answer.
    private func abandon() {
        guard isUsable, PQtransactionStatus(pointer) == PQTRANS_ACTIVE else { return }
        makeCanceller().cancel()
        while let result = PQgetResult(pointer) { PQclear(result) }
    }

    /// `COPY table (columns) FROM STDIN (FORMAT binary)`: what `body` writes becomes rows. If `body` throws, the COPY is failed at the
    /// server, so that nothing of it stays.
    /// - Returns: rows the server has taken.
    @discardableResult
    public func copyIn(_ sql: String, _ body: (inout CopyBinaryWriter) throws -> Void) throws -> Int {
        let start = PQexec(pointer, sql)
        defer { PQclear(start) }
        guard PQresultStatus(start) == PGRES_COPY_IN else {
            throw PostgresError(result: start, connection: pointer, statement: sql)
        }
        let pointer = pointer
        var writer = CopyBinaryWriter(storage: copyBuffer) { bytes in
            PQputCopyData(pointer, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count)) == 1
        }
        do {
            try body(&writer)
        } catch {
            PQputCopyEnd(pointer, "the client gave up")
            while let result = PQgetResult(pointer) { PQclear(result) }
            throw error
        }
        writer.finish()
        if !writer.failed { PQputCopyEnd(pointer, nil) }
        return try finishCopy(sql)
    }

    private func finishCopy(_ sql: String) throws(PostgresError) -> Int {
        var rows = 0
        var failure: PostgresError?
        while let result = PQgetResult(pointer) {
            if PQresultStatus(result) == PGRES_COMMAND_OK {
                rows = PostgresResult(owning: result).affectedRows
            } else {
                failure = failure ?? PostgresError(result: result, connection: pointer, statement: sql)
                let dead = PQresultStatus(result) == PGRES_COPY_IN
                PQclear(result)
                // A session that died inside COPY answers COPY_IN for ever.
                if dead { break }
            }
        }
        if let failure { throw failure }
        guard isUsable else { throw PostgresError(result: nil, connection: pointer, statement: sql) }
        return rows
    }
}
