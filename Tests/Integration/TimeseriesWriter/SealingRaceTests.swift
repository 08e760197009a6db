import Domain
import Foundation
import Logging
import Metrics
import PostgresClient
import ServiceKit
import Synchronization
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

@Suite("timeseries-writer: sealing beside others")
struct SealingRaceTests {
    private static let day = SealFixture.day

    /// Writer, sealer and readers at once: every page of every reader holds each sample that was stored before exactly once.
    @Test func readersAndTheWriterBesideTheSealerSeeEachSampleOnce() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SealFixture(url)
            let written = Mutex(0)
            let isDone = Mutex(false)
            let perBatch = 40
            // Sample n lies on one of eight days, the older the more often late.
            @Sendable func point(_ number: Int) -> Point {
                Point(offset: -Int64(1 + number % 8) * SealFixture.day + Int64(number) * 1_000_000, value: .int(Int64(number)))
            }
            let writer = Task { @Sendable in
                try await runOnDedicatedThread(name: "writer") { _ in
                    let sink = fixture.sink.sink()
                    for batch in 0..<60 {
                        let points = (batch * perBatch..<(batch + 1) * perBatch).map(point)
                        try SinkFixture.write(sink, [(points, nil)], base: batch == 0 ? nil : Int64(batch), next: Int64(batch + 1))
                        written.withLock { $0 = (batch + 1) * perBatch }
                    }
                    isDone.withLock { $0 = true }
                }
            }
            let sealer = Task { @Sendable in
                try await runOnDedicatedThread(name: "sealer") { _ in
                    let connection = try PostgresConnection(url, PostgresOptions(applicationName: "sealer"))
                    var day: Int64 = -8
                    while !isDone.withLock({ $0 }) {
                        try fixture.seal(now: day * SealFixture.day, connection: connection)
                        day = min(0, day + 1)
                    }
                    try fixture.seal(now: 0, connection: connection)
                }
            }
            var reads = 0
            while !isDone.withLock({ $0 }) || reads < 5 {
                let before = written.withLock { $0 }
                guard before > 0 else {
                    await Task.yield()
                    continue
                }
                let samples = try await fixture.reader.samples(of: 1, from: .earliest, to: .latest, after: nil, limit: 100_000)
                let numbers = samples.map { $0.value.int ?? -1 }
                #expect(Set(numbers).count == numbers.count, "none twice")
                #expect(Set(numbers).isSuperset(of: (0..<Int64(before))), "none missing of those stored before")
                reads += 1
            }
            try await writer.value
            try await sealer.value
            #expect(try fixture.sink.rows() == (0..<60 * perBatch).map { SinkFixture.text(point($0)) }.sorted())
            #expect(try fixture.count("timeseries.samples") == 0 && fixture.count("timeseries.late_samples") == 0)
        }
    }

    @Test func aReaderThatStaysIsWaitedForWithoutStoppingOthers() async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try SealFixture(url)
            let points = (0..<10).map { Point(offset: -Self.day + Int64($0), value: .int(Int64($0))) }
            try SinkFixture.write(fixture.sink.sink(), [(points, nil)], base: nil, next: 1)
            let reader = try fixture.sink.connect()
            try reader.execute("BEGIN; SELECT count(*) FROM timeseries.samples")
            var waits = 0
            var watch = SealWatch()
            watch.wait = { _ in
                waits += 1
                // Between two attempts nobody waits behind the sealer.
                do {
                    let row = Point(offset: Int64(waits), value: .int(Int64(100 + waits)))
                    try SinkFixture.write(
                        fixture.sink.sink(), [([row], nil)], base: Int64(waits), next: Int64(waits + 1))
                    if waits == 3 { try reader.execute("COMMIT") }
                } catch {
                    Issue.record(error)
                }
            }
            try fixture.seal(now: 0, watch: watch)
            #expect(waits == 3)
            #expect(try fixture.count("timeseries.sealed") == 1)
            #expect(try fixture.sink.rows().count == 13)
        }
    }

    @Test func oneReplicaSealsAndAnotherTakesOver() async throws {
        try await withPostgresDatabase { url, server in
            let fixture = try SealFixture(url)
            let status = WriterStatus()
            status.migrated()
            let settings = SealSettings(allowance: .seconds(86_400), interval: .milliseconds(100), retention: RetentionRules())
            let metrics = [SealMetrics(MetricsRegistry()), SealMetrics(MetricsRegistry())]
            let signals = [ShutdownSignal(), ShutdownSignal()]
            let tasks = (0..<2).map { number in
                let loop = SealingLoop(
                    url: url, options: PostgresOptions(applicationName: "replica-\(number)"), settings: settings, metrics: metrics[number],
                    status: status, logger: Logger(label: "test", level: .critical), now: ServiceContext.systemTime)
                return Task { try await ShutdownSignal.$current.withValue(signals[number]) { try await loop.run() } }
            }
            func leaders() -> [Int] { metrics.indices.filter { metrics[$0].isLeader.value == 1 } }
            // Two days ago by the clocks that the loops use.
            let old = Int64(Date().timeIntervalSince1970 * 1e6) - 3 * Self.day - Point.start
            func store(_ number: Int64) throws {
                let base = number == 0 ? nil : number
                try SinkFixture.write(
                    fixture.sink.sink(), [([Point(offset: old, value: .int(number))], nil)], base: base, next: number + 1)
            }
            func sealedPoints() throws -> Int {
                try fixture.sink.connect().query("SELECT COALESCE(sum(count), 0)::int8 FROM timeseries.sealed")[0].get(0)
            }
            try await eventually("one leads") { leaders().count == 1 }
            try store(0)
            try await eventually("the sample is sealed") { try sealedPoints() == 1 }
            let first = try #require(leaders().first)
            #expect(leaders() == [first])
            try server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'replica-\(first)'")
            try await eventually("another leads, or the same again") { leaders().count == 1 }
            try store(1)
            try await eventually("the late sample is merged") { try sealedPoints() == 2 }
            let second = try #require(leaders().first)
            signals[second].request()
            try await tasks[second].value
            try await eventually("the other leads") { leaders() == [1 - second] }
            try store(2)
            try await eventually("the late sample is merged") { try sealedPoints() == 3 }
            signals[1 - second].request()
            try await tasks[1 - second].value
            #expect(leaders().isEmpty)
        }
    }
}
