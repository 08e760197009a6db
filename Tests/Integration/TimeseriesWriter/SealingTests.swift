import Domain
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

@Suite("timeseries-writer: sealing")
struct SealingTests {
    private typealias Record = (points: [Point], sequence: StreamSequence?)
    private typealias Seen = SealFixture.Seen

    /// Random data, random moments of sealing, late data between them: at every moment the same samples, pages and states as in a table
    /// that is never sealed.
    @Test(arguments: 0..<6) func whatIsSealedAnswersAsIfItWereNot(seed: Int) async throws {
        try await withPostgresDatabase { url, server in
            let sealed = try SealFixture(url)
            let plain = try SealFixture(server.makeDatabase())
            var random = SeededRandom(seed: UInt64(seed))
            var source = RandomSeries(random: SeededRandom(seed: 1_000 + UInt64(seed)))
            let (left, right) = (sealed.sink.sink(), plain.sink.sink())
            for round in 0..<6 {
                var points: [Point] = []
                for series in 0..<4 {
                    let count = Int.random(in: 0...150, using: &random)
                    for (time, value) in zip(source.times(count), source.values(count)) {
                        points.append(Point(metric: "m\(series)", offset: time, value: value))
                    }
                }
                if points.isEmpty { points = [Point(metric: "m0", offset: -1, value: .int(1))] }
                let records: [Record] = [(points, nil)]
                try SinkFixture.write(left, records, base: round == 0 ? nil : Int64(round), next: Int64(round + 1))
                try SinkFixture.write(right, records, base: round == 0 ? nil : Int64(round), next: Int64(round + 1))
                if Bool.random(using: &random) { try sealed.seal(now: Int64.random(in: -3...1, using: &random) * SealFixture.day + 5) }
                try await expectSame(sealed, plain, &random)
            }
            try sealed.seal(now: SealFixture.day)
            try await expectSame(sealed, plain, &random)
            #expect(try sealed.count("timeseries.samples") == 0 && sealed.count("timeseries.late_samples") == 0)
            try Self.expectSameViews(sealed, plain)
            try await expectRollups(sealed)
        }
    }

    private func expectSame(_ sealed: SealFixture, _ plain: SealFixture, _ random: inout SeededRandom) async throws {
        for series: Int32 in 1...4 {
            let expected = try await plain.samples(series)
            let limit = Int.random(in: 1...300, using: &random)
            let found = try await sealed.samples(series, limit: limit)
            #expect(found.map(Seen.init) == expected.map(Seen.init), "series \(series) in pages of \(limit)")
            #expect(found.map(\.key) == expected.map(\.key))
            let from = Int64.random(in: -3 * SealFixture.day..<0, using: &random)
            let to = from + Int64.random(in: 1...SealFixture.day, using: &random)
            let window = try await sealed.samples(series, from: from, to: to).map(Seen.init)
            #expect(window == expected.map(Seen.init).filter { $0.time >= from && $0.time < to })
        }
        let latest = try await plain.reader.series(of: DeviceID("d1"), limit: 10) ?? []
        let found = try await sealed.reader.series(of: DeviceID("d1"), limit: 10) ?? []
        #expect(found.map(\.metric) == latest.map(\.metric))
        #expect(found.map { $0.latest.map(Seen.init) } == latest.map { $0.latest.map(Seen.init) })
    }

    /// What people see with psql.
    private static func expectSameViews(_ sealed: SealFixture, _ plain: SealFixture) throws {
        #expect(try sealed.sink.rows() == plain.sink.rows())
        let latest = """
            SELECT metric || ' ' || time || ' ' || COALESCE(value_double::text, value_int::text, value_bool::text, value_text)
            FROM timeseries.latest_readings ORDER BY 1
            """
        func view(_ fixture: SealFixture) throws -> [String] { try fixture.sink.connect().query(latest).map { try $0.get(0) } }
        #expect(try view(sealed) == view(plain))
    }

    @Test func psqlReadsASealedHour() async throws {
        try await withPostgresDatabase { url, server in
            let fixture = try SealFixture(url)
            let points = (0..<360).map {
                Point(unit: "C", offset: -SealFixture.day + Int64($0) * 10_000_000, value: .double(20 + Double($0 / 60)))
            }
            try SinkFixture.write(fixture.sink.sink(), [(points, nil)], base: nil, next: 1)
            try fixture.seal(now: 0)
            let database = String(url.split(separator: "/").last ?? "")
            func ask(_ sql: String) throws -> String { try server.psql(sql, database: database) }
            #expect(try ask("SELECT count, min, max, sum, first, last FROM timeseries.sealed") == "360|20|25|8100|20|25")
            #expect(
                try ask("SELECT count(*), min(u.value_double) FROM timeseries.sealed s, timeseries.unseal(s.hour, s.points) u") == "360|20")
            let range = "'2026-11-20 00:10:00+00', '2026-11-20 00:20:00+00'"
            #expect(try ask("SELECT count(*), sum(value), min(unit) FROM timeseries.points('d1', 't', \(range))") == "60|1260|C")
            #expect(try ask("SELECT count(*) FROM timeseries.readings WHERE device = 'd1' AND metric = 't'") == "360")
            #expect(try ask("SELECT sum_double, numbers FROM timeseries.rollup_days") == "8100|360")
        }
    }

    /// All tiers hold the bits that the samples give.
    private func expectRollups(_ fixture: SealFixture) async throws {
        for tier in RollupTier.allCases {
            let stored = try await fixture.rollups([1, 2, 3, 4], tier)
            var count = 0
            for series: Int32 in 1...4 {
                for (start, state) in SealFixture.states(try await fixture.samples(series), tier) {
                    let found = stored[SealFixture.RollupKey(series: series, start: Timestamp(microseconds: start))]
                    #expect(found.map { "\($0)" } == "\(state)", "\(tier) \(start) of series \(series)")
                    count += 1
                }
            }
            #expect(stored.count == count, "no state without samples")
        }
    }

    @Test(arguments: SealStep.allCases) func aFaultAtAnyStepLeavesTheOldOrTheNew(step: SealStep) async throws {
        struct Injected: Error {}
        try await withPostgresDatabase { url, _ in
            let fixture = try SealFixture(url)
            let expected = try Self.fill(fixture)
            var isArmed = true
            var watch = SealWatch()
            watch.observe = { reached in
                guard reached == step, isArmed else { return }
                isArmed = false
                throw Injected()
            }
            // The first run seals, late samples come, the second merges them and drops a tier; a fault in one of them.
            func run() throws {
                try fixture.seal(now: 0, keeping: ["drop* raw=1d"], watch: watch)
            }
            do { try run() } catch is Injected {}
            try Self.expectAll(fixture, expected, "after the first run")
            let late = try Self.addLate(fixture)
            do { try run() } catch is Injected {}
            try Self.expectAll(fixture, expected + late, "after the second run")
            try run()
            try Self.expectAll(fixture, expected + late, "after the third run")
            #expect(!isArmed, "the step was reached: \(step)")
            #expect(try fixture.count("timeseries.late_samples") == 0)
            #expect(try fixture.count("timeseries.samples") == 0)
        }
    }

    /// The backend is killed, as it is when the service is killed or the network goes.
    @Test(arguments: [SealStep.read, .written, .dropped, .lateTaken, .lateWritten]) func aKilledSessionLeavesTheOldOrTheNew(
        step: SealStep
    ) async throws {
        try await withPostgresDatabase { url, server in
            let fixture = try SealFixture(url)
            var expected = try Self.fill(fixture)
            let database = url.split(separator: "/").last.map(String.init) ?? ""
            var isArmed = true
            var watch = SealWatch()
            watch.observe = { reached in
                guard reached == step, isArmed else { return }
                isArmed = false
                try server.psql(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                        + "WHERE application_name = 'sealer' AND datname = '\(database)'")
            }
            for _ in 0..<3 {
                do { try fixture.seal(now: 0, watch: watch) } catch let error as PostgresError { #expect(error.isConnectionLoss) }
                try Self.expectAll(fixture, expected, "old or new")
                if expected.count == 600 { expected += try Self.addLate(fixture) }
            }
            #expect(!isArmed)
            #expect(try fixture.count("timeseries.late_samples") == 0)
        }
    }

    /// Two days of two series; metric `drop` is the one that retention drops in the end, so it is not among those that must stay.
    private static func fill(_ fixture: SealFixture) throws -> [String] {
        let kept = (0..<600).map {
            Point(metric: "keep", offset: -2 * SealFixture.day + Int64($0) * 250_000_000, value: .double(Double($0)))
        }
        let dropped = (0..<20).map { Point(metric: "drop", offset: -2 * SealFixture.day + Int64($0) * 60_000_000, value: .int(Int64($0))) }
        try SinkFixture.write(fixture.sink.sink(), [(kept, nil), (dropped, nil)], base: nil, next: 2)
        return kept.map(SinkFixture.text)
    }

    private static func addLate(_ fixture: SealFixture) throws -> [String] {
        let late = (0..<50).map {
            Point(metric: "keep", offset: -2 * SealFixture.day + Int64($0) * 333_000_000 + 7, value: .int(Int64($0)))
        }
        try SinkFixture.write(fixture.sink.sink(), [(late, nil)], base: 2, next: 3)
        return late.map(SinkFixture.text)
    }

    private static func expectAll(_ fixture: SealFixture, _ expected: [String], _ comment: String) throws {
        let found = try fixture.sink.rows().filter { $0.contains("keep") }
        #expect(found == expected.sorted(), "\(comment)")
    }
}
