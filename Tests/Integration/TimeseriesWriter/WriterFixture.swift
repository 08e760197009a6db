import Domain
import Foundation
import KafkaClient
import Logging
import Metrics
import PostgresClient
import ServiceKit
import TestSupport
import Wire

@testable import TimeseriesWriter

/// Topics of a test's own on a broker, and the writer between them and a database.
struct WriterFixture: Sendable {
    static let partitions = 3
    let bootstrap: String
    let prefix: String
    let url: String

    /// Runs `body` with fresh topics.
    static func with(_ url: String, ownBroker: Bool = false, _ body: (WriterFixture, KafkaServer) async throws -> Void) async throws {
        let prefix = uniqueName("writer") + "."
        let names = [Topics.telemetry.prefixed(prefix).name, Topics.deadLetters.prefixed(prefix).name]
        let isEmbedded = KafkaServer.available == .embedded
        let topics = isEmbedded ? Dictionary(uniqueKeysWithValues: names.map { ($0, partitions) }) : [:]
        try await withKafka(own: ownBroker, topics: topics) { bootstrap, broker in
            if !isEmbedded {
                try await KafkaAdmin(KafkaConfiguration(bootstrap: bootstrap, clientID: "test")).createTopics(
                    names.map { KafkaAdmin.NewTopic(name: $0, partitions: partitions) })
            }
            try await body(WriterFixture(bootstrap: bootstrap, prefix: prefix, url: url), broker)
        }
    }

    var telemetry: Topic<TelemetryBatch> { Topics.telemetry.prefixed(prefix) }
    var deadLetters: Topic<DeadLetter> { Topics.deadLetters.prefixed(prefix) }

    func settings(instance: String = "one") -> [String: String] {
        [
            "kafka.bootstrap": bootstrap, "kafka.topic-prefix": prefix, "postgres.url": url, "kafka.group": "\(prefix)group",
            "kafka.group-instance": instance, "kafka.session-timeout": "6s", "writer.batch-rows": "50", "http.port": "0", "auth": "off",
            "log.level": "critical",
        ]
    }

    /// Runs a writer while `body` runs, then ends it as SIGTERM does.
    func withWriter(
        instance: String = "one", fault: @escaping @Sendable (WriteStep) throws -> Void = { _ in },
        _ body: (TimeseriesWriterMetrics, WriterStatus) async throws -> Void
    ) async throws {
        let reader = try ConfigReader(TimeseriesWriterService.blueprint.table, values: settings(instance: instance))
        let context = ServiceContext(name: "timeseries-writer", logger: Logger(label: "test", level: .critical))
        let metrics = TimeseriesWriterMetrics(context.metrics)
        let status = WriterStatus()
        let loop = WriterLoop(
            config: TimeseriesWriterConfig(reader, name: context.name), context: context, metrics: metrics, status: status, fault: fault)
        try await running(loop) { try await body(metrics, status) }
    }

    /// Readings `numbers` of a device, one record each; the value is the number.
    func publish(_ device: String, _ numbers: Range<Int>, stream: UInt64? = 1, late: Int64 = 0) async throws {
        let start = Int64(Date().timeIntervalSince1970) * 1_000_000 - late
        let batches = try numbers.map { number in
            TelemetryBatch(
                device: try DeviceID(device), sequence: stream.map { StreamSequence(stream: $0, first: UInt64(number)) },
                ingestTime: Timestamp(microseconds: start), source: .mqtt,
                samples: [
                    Sample(metric: try MetricName("n"), time: Timestamp(microseconds: start + Int64(number)), value: .int(Int64(number)))
                ])
        }
        try send(batches.map { (key: Array(device.utf8), value: try $0.encoded()) })
    }

    /// Raw records, acknowledged by Kafka when this returns.
    func send(_ records: [(key: [UInt8], value: [UInt8])]) throws {
        let producer = try KafkaProducer(KafkaConfiguration(bootstrap: bootstrap, clientID: "test", linger: .milliseconds(5)))
        defer { producer.close() }
        for record in records {
            try record.key.withUnsafeBytes { key in
                try record.value.withUnsafeBytes { try producer.enqueue(topic: telemetry.name, key: key, value: $0, tag: 1) }
            }
        }
        var failure: KafkaError?
        guard producer.flush(timeout: .seconds(30), { _, error in failure = failure ?? error }) else {
            throw SupportError("Kafka did not acknowledge")
        }
        if let failure { throw failure }
    }

    /// A member of the writer's name joins the group while `body` runs, as one does that was copied with its configuration.
    func takeItsPlace(instance: String = "one", while body: () async throws -> Void) async throws {
        let end = ShutdownSignal()
        let thread = Task.detached {
            let owner = ForgetfulOwner()
            let consumer = try KafkaConsumer(
                KafkaConfiguration(bootstrap: bootstrap, clientID: "double"), group: "\(prefix)group", groupInstance: instance,
                topics: [telemetry.name], owner: owner, logger: Logger(label: "double", level: .critical))
            defer { consumer.close() }
            while !end.isShuttingDown { try consumer.poll(max: 1_000, timeout: .milliseconds(50)) { _ in } }
        }
        defer { end.request() }
        try await body()
        end.request()
        try await thread.value
    }

    /// How often each number of a device is stored.
    func stored(_ device: String) throws -> [Int: Int] {
        let connection = try PostgresConnection(url, PostgresOptions(applicationName: "test"))
        let rows = try connection.query(
            "SELECT value_int, count(*) FROM timeseries.readings WHERE device = $1 GROUP BY value_int", [.text(device)])
        return Dictionary(uniqueKeysWithValues: try rows.map { (try $0.get(0, as: Int.self), try $0.get(1, as: Int.self)) })
    }

    /// Waits until the device's numbers are stored; each must be there exactly once.
    func expectOnce(_ device: String, _ numbers: Range<Int>) async throws -> Bool {
        try await eventually("\(numbers.count) readings of \(device) are stored", within: 60) {
            (try? stored(device).count) ?? 0 >= numbers.count
        }
        return try stored(device) == Dictionary(uniqueKeysWithValues: numbers.map { ($0, 1) })
    }

    /// Every dead letter there is.
    func readDeadLetters() throws -> [DeadLetter] {
        let reader = try KafkaReader(
            KafkaConfiguration(bootstrap: bootstrap, clientID: "test"), topic: deadLetters.name, from: .beginning)
        var letters: [DeadLetter] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while !reader.hasReachedEnd {
            guard ContinuousClock.now < deadline else { throw SupportError("the dead letters could not be read") }
            _ = try reader.poll(timeout: .milliseconds(100)) { letters.append(try DeadLetter(decoding: $0.value)) }
        }
        return letters
    }
}

/// Reads from the oldest record and stores nothing.
private final class ForgetfulOwner: PartitionOwner {
    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] { [:] }
    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool) {}
}

extension TimeseriesWriterMetrics {
    /// Residual of the conservation law, with the dead letters of these reasons; zero while nothing is in flight.
    func residual(reasons: [String]) -> Int64 {
        let settled = written.value + duplicate.value + returned.value + reasons.reduce(0) { $0 + deadLettered(reason: $1).value }
        return Int64(consumed.value) - Int64(settled)
    }
}
