import Domain
import PostgresClient
import Wire

/// Merges what waits in `late_samples` into the sealed hours: out of one table and into the others in one transaction each time.
struct LateMerger {
    struct Report: Equatable {
        var rows = 0
        /// Of them, only the states took them in: the points of their hours had gone by retention.
        var expired = 0
    }

    private static let rowsAtOnce = 10_000

    let connection: PostgresConnection
    let watch: SealWatch

    /// - Parameters:
    ///   - sealedBefore: rows from there on wait for their day.
    ///   - done: told after each transaction.
    func merge(before sealedBefore: Int64, done: (Report) -> Void) throws {
        var place: (series: Int32, time: Int64) = (.min, Timestamp.earliest.microseconds)
        while true {
            let before = place
            let report = try connection.transaction { connection in
                let rows = try take(from: before, before: sealedBefore)
                guard let last = rows.last else { return nil as Report? }
                try watch.observe(.lateTaken)
                place = (last.series, last.time)
                let expired = try LateBatch(connection: connection, watch: watch).store(rows)
                try watch.observe(.lateWritten)
                return Report(rows: rows.count, expired: expired)
            }
            guard let report else { return }
            try watch.observe(.lateCommitted)
            done(report)
            try watch.checkpoint()
        }
    }

    /// Takes out the next rows in order of series, time and arrival. From the last place on: entries of rows that are gone already lie
    /// before it in the index.
    private func take(from place: (series: Int32, time: Int64), before end: Int64) throws -> [LateRow] {
        let rows = try connection.query(
            """
            WITH gone AS (
                DELETE FROM timeseries.late_samples WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM timeseries.late_samples WHERE (series_id, time) >= ($1, $2) AND time < $3
                    ORDER BY series_id, time, arrival LIMIT $4))
                RETURNING series_id, time, quality, value_double, value_int, value_bool, value_text, arrival)
            SELECT series_id, time, quality, value_double, value_int, value_bool, value_text FROM gone ORDER BY series_id, time, arrival
            """,
            [
                .int32(place.series), .timestamp(microseconds: place.time), .timestamp(microseconds: end),
                .int64(Int64(Self.rowsAtOnce)),
            ])
        return try rows.map { try LateRow($0) }
    }
}

struct LateRow {
    var series: Int32
    var time: Int64
    var quality: Quality
    var value: MetricValue

    var hour: Int64 { RollupTier.hour.start(of: time) }
    var day: Int64 { RollupTier.day.start(of: time) }

    init(_ row: PostgresRow) throws {
        series = try row.get(0)
        time = try row.microseconds(1)
        quality = Quality(rawValue: UInt8(truncatingIfNeeded: try row.get(2, as: Int16.self)))
        value = try row.withValue(3) { MetricValue($0) }
    }
}

/// Series and begin of a stretch.
struct StretchKey: Hashable, Comparable {
    var series: Int32
    var start: Int64

    static func < (left: Self, right: Self) -> Bool { (left.series, left.start) < (right.series, right.start) }
}

/// The late rows of one transaction.
private struct LateBatch {
    /// Hours whose points are in memory at once.
    private static let hoursAtOnce = 200

    let connection: PostgresConnection
    let watch: SealWatch

    /// - Returns: rows of which only the states could be kept.
    func store(_ rows: [LateRow]) throws -> Int {
        let days = LateDays(connection: connection)
        let known = try days.load(Set(rows.map { StretchKey(series: $0.series, start: $0.day) }))
        var late: [StretchKey: RollupBuilder] = [:]
        var expired = 0
        var hours = Self.hours(of: rows)[...]
        while !hours.isEmpty {
            let some = hours.prefix(Self.hoursAtOnce)
            hours = hours.dropFirst(Self.hoursAtOnce)
            try watch.checkpoint()
            expired += try merge(some.map { rows[$0] })
            for range in some {
                late[StretchKey(series: rows[range.lowerBound].series, start: rows[range.lowerBound].day), default: RollupBuilder()]
                    .merge(Self.hourState(rows[range]).state)
            }
        }
        try days.store(known, late: late)
        return expired
    }

    private static func hours(of rows: [LateRow]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var begin = 0
        for index in rows.indices.dropFirst() where rows[index].series != rows[begin].series || rows[index].hour != rows[begin].hour {
            ranges.append(begin..<index)
            begin = index
        }
        return ranges + [begin..<rows.count]
    }

    /// State of the late rows of an hour, and of its minutes.
    private static func hourState(_ rows: ArraySlice<LateRow>) -> (state: RollupState, minutes: [Stretch]) {
        var minutes: [Stretch] = []
        var (minute, start) = (RollupBuilder(), Int64.min)
        func close() { if minute.count > 0 { minutes.append(Stretch(start: start, state: minute.finish())) } }
        for row in rows {
            let begin = RollupTier.minute.start(of: row.time)
            if begin != start {
                close()
                (minute, start) = (RollupBuilder(), begin)
            }
            minute.add(row.value)
        }
        close()
        var hour = RollupBuilder()
        for minute in minutes { hour.merge(minute.state) }
        return (hour.finish(), minutes)
    }

    // MARK: Hours

    private func merge(_ hours: [ArraySlice<LateRow>]) throws -> Int {
        let keys = hours.compactMap { $0.first }.map { StretchKey(series: $0.series, start: $0.hour) }
        let known = try LateHours.load(keys, on: connection)
        try watch.observe(.lateRead)
        var sealed = SealedRows()
        var builder = HourBuilder()
        var scratch = MinuteColumns.Scratch()
        var expired = 0
        for (key, rows) in zip(keys, hours) {
            let hour = known[key] ?? LateHours.Known()
            if hour.parts.isEmpty, let state = hour.state {
                let minutes = try hour.minutes?.decode(hour: key.start, &scratch)
                let late = Self.hourState(rows)
                let merged = Stretch(start: key.start, state: state.takingLate(late.state))
                sealed.append(key.series, hour: merged, minutes: minutes.map { Self.merge($0, late.minutes) } ?? [])
                expired += rows.count
            } else {
                sealed.append(try Self.rebuild(key, hour.parts, rows, &builder))
            }
        }
        try LateHours.delete(keys, on: connection)
        try sealed.flush(on: connection)
        return expired
    }

    /// The stored points and the late ones in order of time, stored ones first at equal times.
    private static func rebuild(
        _ key: StretchKey, _ parts: [[UInt8]], _ late: ArraySlice<LateRow>, _ builder: inout HourBuilder
    ) throws -> SealedHour {
        var rest = late
        var chunk = ChunkBuffer()
        for part in parts {
            try part.withUnsafeBytes { try SeriesChunkCodec.decode($0, base: Timestamp(microseconds: key.start), into: &chunk) }
            try chunk.forEach { _, time, quality, value in
                while let row = rest.first, row.time < time.microseconds {
                    try builder.add(hour: key.start, row)
                    rest = rest.dropFirst()
                }
                try builder.add(hour: key.start, time.microseconds, quality, value)
            }
        }
        for row in rest { try builder.add(hour: key.start, row) }
        return try builder.finish(series: key.series)
    }

    private static func merge(_ stored: [Stretch], _ late: [Stretch]) -> [Stretch] {
        var merged = Dictionary(uniqueKeysWithValues: stored.map { ($0.start, $0.state) })
        for minute in late { merged[minute.start] = merged[minute.start]?.takingLate(minute.state) ?? minute.state }
        return merged.map { Stretch(start: $0.key, state: $0.value) }.sorted { $0.start < $1.start }
    }
}

extension HourBuilder {
    fileprivate mutating func add(hour: Int64, _ row: LateRow) throws {
        switch row.value {
        case .double(let number): try add(hour: hour, row.time, row.quality, .double(number))
        case .int(let number): try add(hour: hour, row.time, row.quality, .int(number))
        case .bool(let flag): try add(hour: hour, row.time, row.quality, .bool(flag))
        case .string(var text): try text.withUTF8 { try add(hour: hour, row.time, row.quality, .string(UnsafeRawBufferPointer($0))) }
        }
    }
}

extension RollupState {
    /// The state with late samples whose place among the others is not known any more: first and last stay.
    func takingLate(_ late: RollupState) -> RollupState {
        var builder = RollupBuilder()
        builder.merge(self)
        builder.merge(late)
        var merged = builder.finish()
        (merged.first, merged.last) = (first, last)
        return merged
    }
}
