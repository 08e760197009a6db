import Domain
import Foundation
import KafkaClient
import Logging
import Metrics
import PostgresClient
import ServiceKit
import Synchronization
import TestSupport
import Testing
import Wire

@testable import TimeseriesWriter

private struct Injected: Error {}

@Suite("timeseries-writer: from Kafka to rows")
struct WriterLoopTests {
    @Test func recordsBecomeRowsAndPoisonBecomesDeadLetters() async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                try await fixture.withWriter { metrics, status in
                    try await fixture.publish("good", 0..<100)
                    var poison: [(key: [UInt8], value: [UInt8])] = [
                        ([], []), ([], [0x4D]), ([], Array("{\"value\":1}".utf8)), ([], [0x4D, 9, 1, 0]), ([], [0x4D, 1, 1, 0x80]),
                    ]
                    var random = SeededRandom(seed: 4)
                    for _ in 0..<40 { poison.append((Array("bad".utf8), [0x4D, 1, 1] + random.bytes(30))) }
                    let early = TelemetryBatch(
                        device: try DeviceID("early"), sequence: nil, ingestTime: .unixEpoch, source: .mqtt,
                        samples: [Sample(metric: try MetricName("n"), time: .unixEpoch, value: .int(1))])
                    poison.append((Array("early".utf8), try early.encoded()))
                    try fixture.send(poison)
                    try await fixture.publish("good", 100..<200)
                    #expect(try await fixture.expectOnce("good", 0..<200))
                    let reasons = WireError.Code.allCases.map(\.rawValue) + ["time_out_of_range"]
                    func dead() -> UInt64 { reasons.reduce(0) { $0 + metrics.deadLettered(reason: $1).value } }
                    // Random bytes may happen to be a batch; everything else is counted as dead.
                    try await eventually("every record is accounted for") {
                        metrics.written.value + dead() == UInt64(200 + poison.count) && metrics.inFlight.value == 0
                    }
                    #expect(metrics.residual(reasons: reasons) == 0)
                    #expect(status.whyNotConsuming == nil)
                    let letters = try fixture.readDeadLetters()
                    #expect(UInt64(letters.count) == dead())
                    #expect(letters.contains { $0.reasonCode == "time_out_of_range" && $0.stage == .store && $0.identity == "early" })
                    #expect(letters.contains { $0.reasonCode == "bad_magic" && $0.payload == Array("{\"value\":1}".utf8) })
                    #expect(letters.allSatisfy { $0.origin?.topic == fixture.telemetry.name })
                }
            }
        }
    }

    @Test func aDeviceThatResendsIsStoredOnce() async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                try await fixture.publish("d", 0..<60)
                try await fixture.publish("d", 30..<90)
                try await fixture.withWriter { metrics, _ in
                    #expect(try await fixture.expectOnce("d", 0..<90))
                    try await eventually("repeats are counted") { metrics.duplicate.value == 30 }
                    // A day later, another replica, nothing in memory.
                }
                try await fixture.withWriter { metrics, _ in
                    try await fixture.publish("d", 0..<100)
                    #expect(try await fixture.expectOnce("d", 0..<100))
                    try await eventually("repeats are counted") { metrics.duplicate.value == 90 }
                    #expect(metrics.residual(reasons: []) == 0)
                }
            }
        }
    }

    @Test(arguments: 0..<3) func faultsAtRandomStepsLoseAndDoubleNothing(seed: Int) async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                let random = Mutex(SeededRandom(seed: UInt64(seed)))
                let left = Mutex(25)
                let fault: @Sendable (WriteStep) throws -> Void = { _ in
                    let strikes = random.withLock { Int.random(in: 0..<8, using: &$0) } == 0
                    if strikes,
                        left.withLock({
                            $0 -= 1
                            return $0 >= 0
                        })
                    {
                        throw Injected()
                    }
                }
                // Half of the devices number their readings: offsets alone must keep the others from being doubled.
                for device in 0..<6 { try await fixture.publish("d\(device)", 0..<150, stream: device < 3 ? 7 : nil) }
                try await fixture.withWriter(fault: fault) { metrics, _ in
                    for device in 0..<6 { #expect(try await fixture.expectOnce("d\(device)", 0..<150)) }
                    try await eventually("nothing is in flight") { metrics.inFlight.value == 0 }
                    #expect(metrics.failures.value > 0)
                    #expect(metrics.residual(reasons: []) == 0)
                }
            }
        }
    }

    @Test func thrownOutOfTheGroupItJoinsAnew() async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                try await fixture.withWriter { metrics, status in
                    try await fixture.publish("d", 0..<100, stream: nil)
                    #expect(try await fixture.expectOnce("d", 0..<100))
                    try await fixture.takeItsPlace { try await eventually("the writer is thrown out") { status.whyNotConsuming != nil } }
                    try await fixture.publish("d", 100..<200, stream: nil)
                    #expect(try await fixture.expectOnce("d", 0..<200))
                    try await eventually("it is well again") { status.whyNotConsuming == nil && metrics.inFlight.value == 0 }
                    #expect(metrics.residual(reasons: []) == 0)
                }
            }
        }
    }

    @Test func aKilledAndRestartedDatabaseLosesAndDoublesNothing() async throws {
        try await withPostgres { server in
            let url = try server.makeDatabase()
            try await WriterFixture.with(url) { fixture, _ in
                try await fixture.withWriter { metrics, status in
                    try await fixture.publish("d", 0..<200, stream: nil)
                    try await eventually("some are stored") { (try? fixture.stored("d").count) ?? 0 > 0 }
                    try await server.kill()
                    try await fixture.publish("d", 200..<400, stream: nil)
                    try await eventually("the writer knows") { status.whyNotConsuming != nil }
                    try await server.restart()
                    #expect(try await fixture.expectOnce("d", 0..<400))
                    try await eventually("it is well again") { status.whyNotConsuming == nil && metrics.inFlight.value == 0 }
                    #expect(metrics.failures.value > 0)
                    #expect(metrics.residual(reasons: []) == 0)
                }
            }
        }
    }

    @Test func partitionsMoveBetweenReplicasWithoutLossOrDouble() async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                let devices = (0..<8).map { "d\($0)" }
                try await fixture.withWriter(instance: "one") { _, one in
                    for device in devices { try await fixture.publish(device, 0..<50, stream: nil) }
                    try await fixture.withWriter(instance: "two") { _, two in
                        for device in devices { try await fixture.publish(device, 50..<100, stream: nil) }
                        try await eventually("both consume", within: 60) { one.partitions > 0 && two.partitions > 0 }
                        #expect(one.partitions + two.partitions == WriterFixture.partitions)
                        for device in devices { try await fixture.publish(device, 100..<150, stream: nil) }
                        for device in devices { #expect(try await fixture.expectOnce(device, 0..<150)) }
                    }
                    for device in devices { try await fixture.publish(device, 150..<200, stream: nil) }
                    for device in devices { #expect(try await fixture.expectOnce(device, 0..<200)) }
                }
            }
        }
    }

    @Test func anOffsetThatKafkaDoesNotHaveStopsTheWriterUntilSomebodyDecides() async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                let connection = try SinkFixture(url).connect()
                for partition in 0..<WriterFixture.partitions {
                    try connection.query(
                        "INSERT INTO timeseries.sink_offsets (topic, partition, next_offset) VALUES ($1, $2, 1000000)",
                        [.text(fixture.telemetry.name), .int32(Int32(partition))])
                }
                try await fixture.publish("d", 0..<20)
                try await fixture.withWriter { metrics, status in
                    try await eventually("the incident is reported", within: 60) { metrics.incident.value == 1 }
                    #expect(status.whyNotConsuming?.contains("sink_offsets") ?? false)
                    #expect(try fixture.stored("d").isEmpty)
                    try connection.execute("DELETE FROM timeseries.sink_offsets")
                    #expect(try await fixture.expectOnce("d", 0..<20))
                    try await eventually("it is well again") { status.whyNotConsuming == nil && metrics.incident.value == 0 }
                }
            }
        }
    }

    /// The whole program, over its sockets.
    @Test func aReadingPublishedByHandIsServedOverHTTP() async throws {
        try await withPostgresDatabase { url, _ in
            try await WriterFixture.with(url) { fixture, _ in
                let (ports, sender) = AsyncStream.makeStream(of: Int.self)
                let startup = ServiceStartup(
                    TimeseriesWriterService.blueprint, arguments: fixture.settings().map { "--\($0.key)=\($0.value)" },
                    sink: .recording(into: LogRecord()))
                let signal = ShutdownSignal()
                let running = Task { await startup.run(until: signal) { sender.yield($0) } }
                var iterator = ports.makeAsyncIterator()
                let port = try #require(await iterator.next())
                func get(_ path: String) async throws -> String { try await curl("http://127.0.0.1:\(port)\(path)") }
                try await eventually("the service is ready", within: 60) { try await get("/readyz").contains(#""ready":true}"#) }
                try await fixture.publish("by-hand", 7..<8)
                try await eventually("the reading is served") { try await get("/v1/devices/by-hand/latest").contains(#""value":7"#) }
                #expect(try await get("/v1/ledger/by-hand").contains(#""ranges":[[7,7]]"#))
                #expect(try await get("/v1/devices/by-hand/series/n?from=-1d&to=%2B1d&format=csv").contains(",7,int,good"))
                #expect(try await get("/metrics").contains("iot_rows_written_total 1"))
                #expect(try await get("/openapi.json").contains("/v1/devices/{id}/series/{metric}"))
                signal.request()
                #expect(await running.value == 0)
            }
        }
    }

    private func curl(_ url: String) async throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments = ["-s", "--max-time", "10", url]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text
    }
}
