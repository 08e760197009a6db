import Domain
import Wire

/// Rows gathered from Kafka records for one transaction, in reused memory. Names are numbered within the batch; the storage turns these
/// numbers into database ids once per batch, not once per row.
struct RowBatch {
    enum Kind: UInt8 { case double, int, bool, text }

    struct Row {
        /// Microseconds since the Unix epoch.
        var time: Int64
        /// Bits of the double or integer, 0 or 1, or offset << 32 | length in `text`.
        var payload: UInt64
        /// Number of the series within the batch.
        var series: Int32
        var kind: Kind
        var quality: UInt8
        /// Dropped as a repeat.
        var isDropped: Bool
    }

    /// One Kafka record that holds rows.
    struct Record {
        var rows: Range<Int32>
        /// Number of the device within the batch.
        var device: Int32
        /// Microseconds since the Unix epoch.
        var ingestTime: Int64
        var sequence: StreamSequence?
    }

    private(set) var rows: [Row] = []
    private(set) var records: [Record] = []
    private(set) var text: [UInt8] = []
    private var devices = ByteKeyTable(minimumCapacity: 1024)
    /// Key: number of the device (4 bytes), metric, 0, unit.
    private var series = ByteKeyTable(minimumCapacity: 4096)
    /// UTC days since 1970-01-01 that the rows fall on.
    private(set) var days: Set<Int32> = []
    private var lastDay: Int32 = .min
    private var seriesOfRecord: [Int32] = []
    private var key: [UInt8] = []

    var isEmpty: Bool { records.isEmpty }
    var seriesCount: Int { series.count }
    var deviceCount: Int { devices.count }
    /// Bytes of text values, which come on top of the rows' fixed size.
    var textBytes: Int { text.count }

    mutating func removeAll() {
        rows.removeAll(keepingCapacity: true)
        records.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
        devices.removeAll()
        series.removeAll()
        days.removeAll(keepingCapacity: true)
        lastDay = .min
    }

    /// Takes a decoded record unless one of its times lies outside `accepted`.
    /// - Returns: the offending time, nil when the record was taken.
    mutating func append(_ buffer: borrowing TelemetryBuffer, accepted: ClosedRange<Timestamp>) -> Timestamp? {
        let firstRow = rows.count
        let device = Int32(buffer.withDevice { devices.intern($0).number })
        numberSeries(of: buffer, device: device)
        var refused: Timestamp?
        buffer.forEachSample { _, sample in
            if !accepted.contains(sample.time) { refused = refused ?? sample.time }
            guard refused == nil else { return }
            let day = Int32(truncatingIfNeeded: Self.day(of: sample.time.microseconds))
            if day != lastDay {
                days.insert(day)
                lastDay = day
            }
            rows.append(makeRow(sample))
        }
        guard refused == nil else {
            // Its days and names stay behind: at worst an empty partition is made ahead of need.
            rows.removeLast(rows.count - firstRow)
            return refused
        }
        records.append(
            Record(
                rows: Int32(firstRow)..<Int32(rows.count), device: device, ingestTime: buffer.ingestTime.microseconds,
                sequence: buffer.sequence))
        return nil
    }

    mutating func drop(row: Int) { rows[row].isDropped = true }

    func withDevice<R>(_ number: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try devices.withKey(number, body)
    }

    /// The number of a series' device, and its metric and unit; the unit is empty when there is none.
    func withSeries<R>(
        _ number: Int, _ body: (_ device: Int, _ metric: UnsafeRawBufferPointer, _ unit: UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try series.withKey(number) { key in
            let device = Int(key.loadUnaligned(as: Int32.self))
            let names = UnsafeRawBufferPointer(rebasing: key[4...])
            let end = names.firstIndex(of: 0) ?? names.count  // names hold no control characters
            return try body(
                device, UnsafeRawBufferPointer(rebasing: names[..<end]),
                UnsafeRawBufferPointer(rebasing: names[min(end + 1, names.count)...]))
        }
    }

    func withText<R>(_ row: Row, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try text.withUnsafeBytes { text in
            let offset = Int(row.payload >> 32)
            return try body(UnsafeRawBufferPointer(rebasing: text[offset..<offset + Int(row.payload & 0xFFFF_FFFF)]))
        }
    }

    /// UTC day since 1970-01-01 of a time in microseconds.
    static func day(of microseconds: Int64) -> Int64 {
        let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 86_400_000_000)
        return remainder < 0 ? quotient - 1 : quotient
    }

    private mutating func numberSeries(of buffer: borrowing TelemetryBuffer, device: Int32) {
        seriesOfRecord.removeAll(keepingCapacity: true)
        for number in 0..<buffer.seriesCount {
            key.removeAll(keepingCapacity: true)
            withUnsafeBytes(of: device) { key.append(contentsOf: $0) }
            buffer.withSeries(number) { metric, unit in
                key.append(contentsOf: metric)
                key.append(0)
                if let unit { key.append(contentsOf: unit) }
            }
            seriesOfRecord.append(Int32(key.withUnsafeBytes { series.intern($0).number }))
        }
    }

    private mutating func makeRow(_ sample: SampleRef) -> Row {
        let (kind, payload): (Kind, UInt64) =
            switch sample.value {
            case .double(let number): (.double, number.bitPattern)
            case .int(let number): (.int, UInt64(bitPattern: number))
            case .bool(let flag): (.bool, flag ? 1 : 0)
            case .string(let bytes): (.text, keep(bytes))
            }
        return Row(
            time: sample.time.microseconds, payload: payload, series: seriesOfRecord[sample.series], kind: kind,
            quality: sample.quality.rawValue, isDropped: false)
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let offset = text.count
        text.append(contentsOf: bytes)
        return UInt64(offset) << 32 | UInt64(bytes.count)
    }
}
