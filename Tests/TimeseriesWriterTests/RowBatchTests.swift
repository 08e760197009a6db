import Domain
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

private let accepted = Timestamp(microseconds: 0)...Timestamp(microseconds: 4_000_000_000_000_000)

func buffer(_ device: String, _ samples: [(String, String?, Int64, MetricValue)], sequence: StreamSequence? = nil) throws -> TelemetryBuffer
{
    var buffer = TelemetryBuffer()
    buffer.setDevice(try DeviceID(device))
    buffer.sequence = sequence
    buffer.ingestTime = Timestamp(microseconds: 1_000)
    for (metric, unit, time, value) in samples {
        try buffer.append(Sample(metric: try MetricName(metric), time: Timestamp(microseconds: time), value: value, unit: unit))
    }
    return buffer
}

@Suite("Batch of rows")
struct RowBatchTests {
    @Test func namesAreNumberedOncePerBatch() throws {
        var batch = RowBatch()
        for _ in 0..<3 {
            #expect(batch.append(try buffer("a", [("t", "C", 1, .double(1)), ("t", nil, 2, .int(2))]), accepted: accepted) == nil)
            #expect(batch.append(try buffer("b", [("t", "C", 3, .bool(true))]), accepted: accepted) == nil)
        }
        #expect(batch.rows.count == 9 && batch.records.count == 6)
        #expect(batch.deviceCount == 2 && batch.seriesCount == 3)
        let names = (0..<3).map { number in
            batch.withSeries(number) { device, metric, unit in
                batch.withDevice(device) { String(decoding: $0, as: UTF8.self) } + "/" + String(decoding: metric, as: UTF8.self) + "/"
                    + String(decoding: unit, as: UTF8.self)
            }
        }
        #expect(names == ["a/t/C", "a/t/", "b/t/C"])
        batch.removeAll()
        #expect(batch.isEmpty && batch.seriesCount == 0 && batch.days.isEmpty)
    }

    @Test func aRecordWithATimeOutOfBoundsLeavesNoRows() throws {
        var batch = RowBatch()
        let early = Timestamp(microseconds: 0)
        let refused = batch.append(
            try buffer("a", [("t", nil, 5, .int(1)), ("t", nil, -1, .int(2)), ("t", nil, 6, .int(3))]),
            accepted: early...Timestamp(microseconds: 10))
        #expect(refused == Timestamp(microseconds: -1))
        #expect(batch.rows.isEmpty && batch.records.isEmpty)
    }

    @Test func textsAreKeptAsTheyAre() throws {
        var batch = RowBatch()
        let texts = ["", "open", "grün \u{1F426}"]
        for text in texts { #expect(batch.append(try buffer("a", [("s", nil, 1, .string(text))]), accepted: accepted) == nil) }
        #expect(batch.rows.map { row in batch.withText(row) { String(decoding: $0, as: UTF8.self) } } == texts)
    }

    @Test(arguments: [(-1, -1), (0, 0), (86_399_999_999, 0), (86_400_000_000, 1), (-86_400_000_000, -1), (-86_400_000_001, -2)])
    func daysBeginAtMidnightUTC(_ microseconds: Int64, _ day: Int64) {
        #expect(RowBatch.day(of: microseconds) == day)
    }

    @Test func repeatedRecordsAreDroppedAsAWhole() throws {
        var batch = RowBatch()
        let first = StreamSequence(stream: 9, first: 4, scope: .batch)
        for sequence in [first, first, StreamSequence(stream: 9, first: 5), nil, nil] {
            let values: [(String, String?, Int64, MetricValue)] = [("t", nil, 1, .int(1)), ("u", nil, 1, .int(1))]
            #expect(batch.append(try buffer("a", values, sequence: sequence), accepted: accepted) == nil)
        }
        let (plan, book) = apply(&batch)
        #expect(plan == BatchPlan(recordsWritten: 4, recordsDuplicate: 1, rowsWritten: 8, rowsDuplicate: 2, rowsUnverified: 0))
        #expect(batch.rows.map(\.isDropped) == [false, false, true, true, false, false, false, false, false, false])
        #expect(book[StreamKey(device: 70, stream: 9)]?.ledger.ranges == [SequenceLedger.Run(first: 4, last: 5)])
    }

    @Test func repeatedSamplesAreDroppedOneByOne() throws {
        var batch = RowBatch()
        let values = (0..<4).map { ("t", String?.none, Int64($0), MetricValue.int(Int64($0))) }
        for first: UInt64 in [0, 2, 10] {
            let sequence = StreamSequence(stream: 1, first: first, scope: .sample)
            #expect(batch.append(try buffer("a", values, sequence: sequence), accepted: accepted) == nil)
        }
        let (plan, book) = apply(&batch)
        #expect(plan.rowsWritten == 10 && plan.rowsDuplicate == 2 && plan.recordsWritten == 3)
        #expect(batch.rows[4..<8].map(\.isDropped) == [true, true, false, false])
        #expect(
            book[StreamKey(device: 70, stream: 1)]?.ledger.ranges
                == [SequenceLedger.Run(first: 0, last: 5), SequenceLedger.Run(first: 10, last: 13)])
    }

    @Test(arguments: 0..<20) func rowsAreWrittenBySeriesTimeAndArrival(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var batch = RowBatch()
        for number in 0..<300 {
            let (metric, time) = ("m\(Int.random(in: 0..<7, using: &random))", Int64.random(in: 0..<50, using: &random))
            #expect(batch.append(try buffer("a", [(metric, nil, time, .int(Int64(number)))]), accepted: accepted) == nil)
        }
        var order: [Int32] = []
        let ids = (0..<batch.seriesCount).map { Int32(1_000 - $0) }
        batch.sortKeptRows(into: &order, seriesIDs: ids)
        let sorted = order.map { (ids[Int(batch.rows[Int($0)].series)], batch.rows[Int($0)].time, $0) }
        #expect(sorted.count == 300)
        #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0 < $1 })
    }

    private func apply(_ batch: inout RowBatch) -> (BatchPlan, LedgerBook) {
        var book = LedgerBook(capacity: 100, maximumRanges: 16)
        let ids = (0..<batch.deviceCount).map { Int32(70 + $0) }
        batch.forEachStream(deviceIDs: ids) { key in if book.touch(key) { book.load(key, nil) } }
        return (batch.applyLedgers(&book, deviceIDs: ids), book)
    }
}

@Suite("Names in memory")
struct NameTableTests {
    @Test(arguments: 0..<10) func numbersAreThoseOfADictionary(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var table = ByteKeyTable()
        var naive: [[UInt8]: Int] = [:]
        for _ in 0..<5_000 {
            let key = random.bytes(Int.random(in: 0...20, using: &random)).map { $0 & 3 }
            let (number, isNew) = key.withUnsafeBytes { table.intern($0) }
            #expect(isNew == (naive[key] == nil))
            #expect(number == naive[key] ?? naive.count)
            naive[key] = number
        }
        for (key, number) in naive {
            #expect(key.withUnsafeBytes { table.find($0) } == number)
            #expect(table.withKey(number) { Array($0) } == key)
        }
        table.removeAll()
        let afterwards = Array("x".utf8).withUnsafeBytes { table.find($0) }
        #expect(table.count == 0 && afterwards == nil)
    }

    @Test func theCacheIsBoundedAndKeepsWhatIsUsed() {
        var cache = SeriesCache(capacity: 100)
        func ids(_ number: Int32) -> SeriesIDs { SeriesIDs(device: number, series: -number) }
        func key(_ number: Int32) -> [UInt8] { Array("series \(number)".utf8) }
        func find(_ number: Int32) -> SeriesIDs? { key(number).withUnsafeBytes { cache.find($0) } }
        for number in Int32(0)..<1_000 {
            key(number).withUnsafeBytes { cache.insert($0, ids(number)) }
            let used = find(0)
            #expect(used == ids(0), "used all the time, so kept")
            #expect(cache.count <= 100)
        }
        let (newest, idle) = (find(999), find(500))
        #expect(newest == ids(999))
        #expect(idle == nil)
    }
}
