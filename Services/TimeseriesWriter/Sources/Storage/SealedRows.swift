import Domain
import PostgresClient
import Wire

/// Rows of the sealed tables, gathered in memory until there are enough for a COPY each.
struct SealedRows {
    /// A flush is due when so many bytes of points have gathered, or so many hours.
    private static let bytesAtOnce = 1 << 20
    private static let hoursAtOnce = 500

    private var hours: [SealedHour] = []
    private var days: [(series: Int32, stretch: Stretch)] = []
    /// Minutes and hours of which only the state is kept.
    private var states: [(series: Int32, hour: Stretch, minutes: [Stretch])] = []
    private var bytes = 0
    private var scratch = MinuteColumns.Scratch()

    var isFull: Bool { bytes >= Self.bytesAtOnce || hours.count >= Self.hoursAtOnce || days.count >= Self.hoursAtOnce }

    mutating func append(_ hour: SealedHour) {
        bytes += hour.parts.reduce(0) { $0 + $1.points.count }
        hours.append(hour)
    }

    /// - Parameter minutes: empty when they are not kept any more.
    mutating func append(_ series: Int32, hour: Stretch, minutes: [Stretch]) { states.append((series, hour, minutes)) }

    mutating func append(_ series: Int32, day: Stretch) { days.append((series, day)) }

    /// Writes everything; the rows' keys must be free.
    mutating func flush(on connection: PostgresConnection) throws {
        try copyParts(on: connection)
        try copyMinutes(on: connection)
        let hourStates = hours.map { (series: $0.series, stretch: Stretch(start: $0.start, state: $0.state)) }
        try copy(hourStates + states.map { (series: $0.series, stretch: $0.hour) }, into: "rollup_hours", on: connection)
        try copy(days, into: "rollup_days", on: connection)
        hours.removeAll(keepingCapacity: true)
        states.removeAll()
        days.removeAll(keepingCapacity: true)
        bytes = 0
    }

    private func copyParts(on connection: PostgresConnection) throws {
        guard !hours.isEmpty else { return }
        try connection.copyIn(
            "COPY timeseries.sealed (series_id, hour, part, count, min, max, sum, first, last, points) FROM STDIN (FORMAT binary)"
        ) { writer in
            for hour in hours {
                for (number, part) in hour.parts.enumerated() {
                    writer.beginRow(columns: 10)
                    writer.int4(hour.series)
                    writer.timestamptz(microseconds: hour.start)
                    writer.int2(Int16(number))
                    writer.int4(Int32(part.count))
                    for value in [part.state.least, part.state.greatest, part.state.sum, part.state.first, part.state.last] {
                        if let number = value?.number { writer.float8(number) } else { writer.null() }
                    }
                    part.points.withUnsafeBytes { writer.bytes($0) }
                }
            }
        }
    }

    private mutating func copyMinutes(on connection: PostgresConnection) throws {
        var rows: [(series: Int32, hour: Int64, columns: MinuteColumns)] = []
        for hour in hours { rows.append((hour.series, hour.start, try MinuteColumns(hour.minutes, hour: hour.start, &scratch))) }
        for kept in states where !kept.minutes.isEmpty {
            rows.append((kept.series, kept.hour.start, try MinuteColumns(kept.minutes, hour: kept.hour.start, &scratch)))
        }
        guard !rows.isEmpty else { return }
        try connection.copyIn(
            "COPY timeseries.rollup_minutes (series_id, hour, count, numbers, sum, squares, min, max, first, last) "
                + "FROM STDIN (FORMAT binary)"
        ) { writer in
            for row in rows {
                let columns = row.columns
                writer.beginRow(columns: 10)
                writer.int4(row.series)
                writer.timestamptz(microseconds: row.hour)
                let fields = [
                    columns.count, columns.numbers, columns.sum, columns.squares, columns.least, columns.greatest, columns.first,
                    columns.last,
                ]
                for field in fields {
                    if let field { field.withUnsafeBytes { writer.bytes($0) } } else { writer.null() }
                }
            }
        }
    }

    private func copy(
        _ rows: [(series: Int32, stretch: Stretch)], into table: String, on connection: PostgresConnection
    ) throws {
        guard !rows.isEmpty else { return }
        try connection.copyIn("COPY timeseries.\(table) (\(StateColumns.names)) FROM STDIN (FORMAT binary)") { writer in
            for row in rows { StateColumns.write(row.series, row.stretch, to: &writer) }
        }
    }
}
