import Domain
import KafkaClient
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

private struct Injected: Error {}

@Suite("timeseries-writer: the transaction")
struct SampleSinkTests {
    private typealias Record = (points: [Point], sequence: StreamSequence?)

    @Test func everyTypeIsStoredInItsOwnColumnOfOneSeries() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let values: [MetricValue] = [.double(1.5), .int(.max), .bool(true), .string("grün; 'x' \\N"), .string(""), .int(.min)]
            let points = values.enumerated().map { Point(unit: "C", offset: Int64($0), value: $1) }
            let plan = try SinkFixture.write(fixture.sink(), [(points, nil)], base: nil, next: 1)
            #expect(plan == BatchPlan(recordsWritten: 1, rowsWritten: 6))
            #expect(try fixture.rows() == points.map(SinkFixture.text).sorted())
            #expect(try fixture.connect().query("SELECT count(*) FROM timeseries.series")[0].get(0, as: Int64.self) == 1)
        }
    }

    @Test(arguments: WriteStep.allCases) func aFaultAtAnyStepLeavesAllOrNothing(step: WriteStep) async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            var isArmed = true
            let sink = fixture.sink { reached in
                guard reached == step, isArmed else { return }
                isArmed = false
                throw Injected()
            }
            let records: [Record] = (0..<20).map { number in
                ([Point(offset: number, value: .int(number))], StreamSequence(stream: 7, first: UInt64(number)))
            }
            #expect(throws: Injected.self) { try SinkFixture.write(sink, records, base: nil, next: 20) }
            sink.forget(connectionToo: true)
            let stored = try SinkFixture.stored(sink)
            #expect(try fixture.rows().count == (stored == nil ? 0 : 20))
            #expect((stored == nil) == (step != .commit), "only after the commit the offset has moved")
            // Kafka delivers again from the stored offset.
            if stored == nil {
                #expect(try SinkFixture.write(sink, records, base: nil, next: 20).rowsWritten == 20)
            }
            #expect(try fixture.rows().count == 20)
            #expect(try SinkFixture.stored(sink) == 20)
        }
    }

    @Test(arguments: [WriteStep.resolve, .lock, .copy, .ledger, .offsets]) func aBackendKilledAtAnyStepLeavesNothing(
        step: WriteStep
    ) async throws {
        try await withPostgresDatabase { url, server in
            let fixture = try SinkFixture(url)
            let database = url.split(separator: "/").last.map(String.init) ?? ""
            var isArmed = true
            let sink = fixture.sink { reached in
                guard reached == step, isArmed else { return }
                isArmed = false
                try server.psql(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                        + "WHERE application_name = 'writer' AND datname = '\(database)'")
            }
            let records: [Record] = [([Point(offset: 1, value: .double(0.5))], StreamSequence(stream: 1, first: 1))]
            let error = try #require(throws: PostgresError.self) { try SinkFixture.write(sink, records, base: nil, next: 1) }
            #expect(error.isRetriable && error.isConnectionLoss)
            #expect(try fixture.rows().isEmpty)
            sink.forget(connectionToo: true)
            #expect(try SinkFixture.write(sink, records, base: nil, next: 1).rowsWritten == 1)
            #expect(try fixture.rows().count == 1)
        }
    }

    @Test func aSessionThatWaitsForCopyDataIsEndedAndNoOther() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let options = PostgresOptions(applicationName: "writer")
            let (stopped, idle) = (try PostgresConnection(url, options), try PostgresConnection(url, options))
            let (stranger, active) = (try fixture.connect(), try PostgresConnection(url, options))
            try idle.execute("BEGIN; SELECT 1")
            let copy = "COPY timeseries.devices (id) FROM STDIN (FORMAT binary)"
            var ended: [Int] = []
            let error = #expect(throws: PostgresError.self) {
                try stopped.copyIn(copy) { _ in
                    // It has not waited so long; another program's sessions are not its own; now.
                    ended.append(try StoppedSessions.end(waiting: .seconds(60), on: active))
                    ended.append(try StoppedSessions.end(waiting: .zero, on: stranger))
                    ended.append(try StoppedSessions.end(waiting: .zero, on: active))
                }
            }
            #expect(ended == [0, 0, 1])
            #expect(error?.isConnectionLoss == true)
            try idle.execute("COMMIT")
        }
    }

    @Test func aWriterThatIsNotWhereTheDatabaseIsWritesNothing() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let (owner, zombie) = (fixture.sink(), fixture.sink())
            func record(_ number: Int64) -> [Record] { [([Point(offset: number, value: .int(number))], nil)] }
            try SinkFixture.write(owner, record(0), base: nil, next: 10)
            #expect(throws: SinkError.self, "both saw no offset") { try SinkFixture.write(zombie, record(0), base: nil, next: 10) }
            try SinkFixture.write(owner, record(1), base: 10, next: 20)
            for base: Int64 in [10, 5, 30] {
                #expect(throws: SinkError.self) { try SinkFixture.write(zombie, record(2), base: base, next: 40) }
            }
            #expect(try SinkFixture.stored(owner) == 20)
            #expect(try fixture.rows().count == 2)
            try SinkFixture.write(zombie, record(2), base: 20, next: 30)
            #expect(try fixture.rows().count == 3)
        }
    }

    @Test func twoWritersThatBeginTogetherStoreThePartitionOnce() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            // The second writer looks at the offset, finds none, and the first commits before the second inserts its own.
            let second = fixture.sink { step in
                if step == .offsets || step == .deadLetters { return }
                if step == .lock { try SinkFixture.write(fixture.sink(), [([Point(offset: 0, value: .int(0))], nil)], base: nil, next: 1) }
            }
            #expect(throws: SinkError.self) {
                try SinkFixture.write(second, [([Point(offset: 0, value: .int(0))], nil)], base: nil, next: 1)
            }
            #expect(try fixture.rows().count == 1)
        }
    }

    @Test func repeatsAreDroppedAlsoAfterARestart() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            func record(_ number: UInt64) -> Record {
                ([Point(offset: Int64(number), value: .int(1))], StreamSequence(stream: .max, first: number))
            }
            try SinkFixture.write(fixture.sink(), [record(1), record(2), record(5)], base: nil, next: 3)
            let plan = try SinkFixture.write(fixture.sink(), [record(2), record(3), record(5), record(6)], base: 3, next: 7)
            #expect(plan == BatchPlan(recordsWritten: 2, recordsDuplicate: 2, rowsWritten: 2, rowsDuplicate: 2))
            #expect(try fixture.rows().count == 5)
            let ledger = try fixture.connect().query("SELECT stream::text, ranges::text, received, duplicates FROM timeseries.ledger")[0]
            #expect(try ledger.get(0, as: String.self) == "18446744073709551615")
            #expect(try ledger.get(1, as: String.self) == "{[1,4),[5,7)}")
            #expect(try ledger.get(2, as: Int64.self) == 5)
            #expect(try ledger.get(3, as: Int64.self) == 2)
        }
    }

    @Test func oneStreamThroughTwoPartitionsIsNeverMergedBlindly() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let other = TopicPartition(topic: "telemetry", partition: 1)
            let (first, second) = (fixture.sink(), fixture.sink())
            func record(_ number: UInt64) -> [Record] {
                [([Point(offset: Int64(number), value: .int(1))], StreamSequence(stream: 3, first: number))]
            }
            try SinkFixture.write(first, record(1), base: nil, next: 1)
            try SinkFixture.write(second, record(2), base: nil, next: 1, partition: other)
            // The first still remembers the ledger as it was before the second changed it.
            #expect(throws: SinkError.self) { try SinkFixture.write(first, record(2), base: 1, next: 2) }
            #expect(try SinkFixture.write(first, record(2), base: 1, next: 2).rowsDuplicate == 1)
            #expect(try fixture.rows().count == 2)
        }
    }

    @Test func latestIsTheGreatestEventTimeAcrossBatches() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let sink = fixture.sink()
            for (index, offset) in ([5, 9, 3, 9, 1] as [Int64]).enumerated() {
                let base = index == 0 ? nil : Int64(index)
                try SinkFixture.write(sink, [([Point(offset: offset, value: .int(Int64(index)))], nil)], base: base, next: Int64(index + 1))
            }
            let row = try fixture.connect().query("SELECT time, value_int FROM timeseries.latest_readings")[0]
            #expect(try row.microseconds(0) == Point.start + 9)
            #expect(try row.get(1, as: Int64.self) == 3, "at the same time the later arrival stands")
        }
    }

    @Test func lateDaysGetTheirPartitionsOnDemand() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            let day: Int64 = 86_400_000_000
            let offsets = [0, -1, -day, -30 * day, -365 * day, day - 1, day]
            let points = offsets.map { Point(offset: $0, value: .int($0)) }
            try SinkFixture.write(fixture.sink(), [(points, nil)], base: nil, next: 1)
            #expect(try fixture.rows() == points.map(SinkFixture.text).sorted())
            let count = try fixture.connect().query(
                "SELECT count(*) FROM pg_inherits WHERE inhparent = 'timeseries.samples'::regclass")[0].get(0, as: Int64.self)
            #expect(count == 5, "two days before, today, tomorrow, a month and a year back")
            try fixture.sink().keepPartitionsAhead(today: Int32(Point.start / day))
            try fixture.sink().keepPartitionsAhead(today: Int32(Point.start / day))
            let plan = try fixture.connect().query(
                "EXPLAIN SELECT * FROM timeseries.samples WHERE series_id = 1 AND time >= '2026-11-22' "
                    + "AND time < '2026-11-23' ORDER BY time, ctid"
            )
            let text = try plan.map { try $0.get(0, as: String.self) }.joined(separator: "\n")
            #expect(text.contains("20261122") && !text.contains("20261121"), "only the day in question is read:\n\(text)")
        }
    }

    @Test(arguments: 0..<8) func randomBatchesAndFaultsStoreEachReadingOnce(seed: Int) async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SinkFixture(url)
            var random = SeededRandom(seed: UInt64(seed))
            var faults = SeededRandom(seed: 99 + UInt64(seed))
            // Small caches, so that names and ledgers are evicted and read again.
            let sink = fixture.sink(caches: 6) { _ in if Int.random(in: 0..<40, using: &faults) == 0 { throw Injected() } }
            var expected: Set<Point> = []
            var log: [Record] = []
            for number in 0..<400 {
                let device = "d\(Int.random(in: 0..<9, using: &random))"
                let sequence = UInt64(Int.random(in: 0..<60, using: &random))
                // A reading is a function of device and number, as a resend repeats it.
                let point = Point(device: device, metric: "m\(sequence % 3)", offset: Int64(sequence), value: .int(Int64(sequence)))
                log.append(([point], StreamSequence(stream: 1, first: sequence)))
                expected.insert(point)
                #expect(number < 400)
            }
            var stored: Int64?
            var attempts = 0
            while stored ?? 0 < Int64(log.count) {
                attempts += 1
                let begin = Int(stored ?? 0)
                let end = min(log.count, begin + Int.random(in: 1...40, using: &random))
                do {
                    try SinkFixture.write(sink, Array(log[begin..<end]), base: stored, next: Int64(end))
                } catch is Injected {
                    sink.forget(connectionToo: Bool.random(using: &random))
                }
                stored = try SinkFixture.stored(sink)
            }
            #expect(attempts < 10_000)
            #expect(try fixture.rows() == expected.map(SinkFixture.text).sorted())
        }
    }
}
