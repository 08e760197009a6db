import Domain
import PostgresClient
import Wire

/// Turns a day's partition into rows of the sealed tables and drops it, in one transaction. The day lies before the horizon, so that no
/// writer touches it any more.
struct DaySealer {
    struct Report: Equatable {
        var points = 0
        var hours = 0
        var bytes = 0
    }

    private static let dropAttempts = 40
    static let dayWidth = RollupTier.day.width

    let connection: PostgresConnection
    let watch: SealWatch

    /// Days (since 1970-01-01) that lie before the horizon and still have a partition, oldest first.
    func daysToSeal(before horizon: Int64) throws -> [Int64] {
        let names = try connection.query(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                + "WHERE i.inhparent = 'timeseries.samples'::regclass")
        return try names.compactMap { row in Self.day(ofPartition: try row.get(0)) }
            .filter { ($0 + 1) * Self.dayWidth <= horizon }.sorted()
    }

    /// - Parameter sealedBefore: a partition of a day before it was made by a writer that had not seen the horizon rise; it is empty, or
    ///   somebody has filled it by hand. What it holds is late.
    func seal(day: Int64, sealedBefore: Int64) throws -> Report {
        let name = Self.partition(ofDay: day)
        let report = try connection.transaction { connection in
            try connection.execute(
                "\(PartitionRows.planning); SET LOCAL lock_timeout = '5s'; LOCK TABLE timeseries.\(name) IN SHARE MODE")
            try watch.observe(.locked)
            let report = (day + 1) * Self.dayWidth > sealedBefore ? try copy(name, day: day) : try moveToLate(name)
            try watch.observe(.written)
            try drop(name)
            try watch.observe(.dropped)
            try SealState.advance(to: (day + 1) * Self.dayWidth, on: connection)
            return report
        }
        try watch.observe(.committed)
        return report
    }

    private func copy(_ name: String, day: Int64) throws -> Report {
        var rows = PartitionRows(of: name, from: day * Self.dayWidth)
        var stream = SealStream()
        while try rows.readPage(connection, { try stream.add(&$0) }) {
            try watch.observe(.read)
            if stream.rows.isFull {
                try stream.rows.flush(on: connection)
                try watch.observe(.written)
            }
            try watch.checkpoint()
        }
        try stream.finish()
        try stream.rows.flush(on: connection)
        return stream.report
    }

    private func moveToLate(_ name: String) throws -> Report {
        try connection.execute(
            """
            INSERT INTO timeseries.late_samples (time, value_double, value_int, series_id, quality, value_bool, value_text)
            SELECT time, value_double, value_int, series_id, quality, value_bool, value_text FROM timeseries.\(name)
            ORDER BY series_id, time
            """)
        return Report()
    }

    /// Dropping locks the whole table for a moment. While the lock is waited for everybody else waits behind: so only for moments, again
    /// and again, until none of the sessions that read is in the way.
    private func drop(_ name: String) throws {
        for attempt in 1...Self.dropAttempts {
            try connection.execute("SAVEPOINT before_drop")
            if try dropAtOnce(name) { return }
            try connection.execute("ROLLBACK TO SAVEPOINT before_drop")
            try watch.checkpoint()
            watch.wait(min(.milliseconds(50 * attempt), .seconds(2)))
        }
        throw SealError.partitionInUse(name, attempts: Self.dropAttempts)
    }

    /// - Returns: false when somebody is in the way.
    private func dropAtOnce(_ name: String) throws -> Bool {
        let result = Result { try connection.execute("SET LOCAL lock_timeout = '100ms'; DROP TABLE timeseries.\(name)") }
        switch result {
        case .success: return true
        case .failure(let error as PostgresError) where error.state == .lockNotAvailable || error.state == .deadlockDetected: return false
        case .failure(let error): throw error
        }
    }

    // MARK: Names

    /// `samples_20261121` → days since 1970-01-01.
    static func day(ofPartition name: String) -> Int64? {
        let digits = name.dropFirst("samples_".count)
        guard name.hasPrefix("samples_"), digits.count == 8, digits.allSatisfy(\.isNumber) else { return nil }
        let (year, rest) = (digits.prefix(4), digits.dropFirst(4))
        guard let time = try? Timestamp(rfc3339: "\(year)-\(rest.prefix(2))-\(rest.dropFirst(2))T00:00:00Z") else { return nil }
        return time.microseconds / dayWidth
    }

    static func partition(ofDay day: Int64) -> String { "samples_" + text(ofDay: day).filter { $0 != "-" } }

    /// `2026-11-21`.
    static func text(ofDay day: Int64) -> String { String(Timestamp(microseconds: day * dayWidth).rfc3339.prefix(10)) }
}

/// Cuts rows in order of series and time into sealed hours and days.
private struct SealStream {
    var rows = SealedRows()
    var report = DaySealer.Report()
    private var hour = HourBuilder()
    private var day = RollupBuilder()
    private var dayStart: Int64 = 0
    private var series: Int32 = 0
    private var hourStart: Int64 = 0
    private var hourEnd = Int64.min

    mutating func add(_ rows: inout SeriesRows) throws {
        if rows.series != series {
            try closeHour()
            closeDay()
            series = rows.series
        }
        report.points += rows.remaining
        while try rows.next({ time, quality, value in
            if time >= hourEnd { try beginHour(at: time) }
            try hour.add(hour: hourStart, time, quality, value)
        }) {}
    }

    private mutating func beginHour(at time: Int64) throws {
        try closeHour()
        hourStart = RollupTier.hour.start(of: time)
        hourEnd = hourStart + RollupTier.hour.width
        dayStart = RollupTier.day.start(of: time)
    }

    mutating func finish() throws {
        try closeHour()
        closeDay()
    }

    private mutating func closeHour() throws {
        hourEnd = .min
        guard !hour.isEmpty else { return }
        let done = try hour.finish(series: series)
        day.merge(done.state)
        report.hours += 1
        report.bytes += done.parts.reduce(0) { $0 + $1.points.count }
        rows.append(done)
    }

    private mutating func closeDay() {
        guard day.count > 0 else { return }
        rows.append(series, day: Stretch(start: dayStart, state: day.finish()))
        day = RollupBuilder()
    }
}

extension PostgresRow {
    /// The value in the columns from `column`: double, int, bool, text.
    func withValue<R>(_ column: Int, _ body: (ValueRef) throws -> R) throws -> R {
        if let number = try optional(column, as: Double.self) { return try body(.double(number)) }
        if let number = try optional(column + 1, as: Int64.self) { return try body(.int(number)) }
        if let flag = try optional(column + 2, as: Bool.self) { return try body(.bool(flag)) }
        return try withBytes(column + 3) { bytes in
            guard let bytes else { throw PostgresError(state: .datatypeMismatch, message: "a sample has no value in any of its columns") }
            return try body(.string(bytes))
        }
    }
}
