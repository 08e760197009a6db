import Domain
import Foundation
import KafkaClient
import Logging
import Metrics
import PostgresClient
import ServiceKit
import TestSupport
import Wire

@testable import DeviceRegistry

/// The registry's presence between topics and a database of a test's own.
struct PresenceFixture: Sendable {
    static let partitions = 3
    let registry: RegistryFixture
    let bootstrap: String
    let prefix: String

    static func with(_ body: (PresenceFixture) async throws -> Void) async throws {
        let prefix = uniqueName("presence") + "."
        let names = [Topics.telemetry.prefixed(prefix).name, Topics.deviceEvents.prefixed(prefix).name]
        let isEmbedded = KafkaServer.available == .embedded
        let topics = isEmbedded ? Dictionary(uniqueKeysWithValues: names.map { ($0, partitions) }) : [:]
        try await RegistryFixture.with { registry in
            try await withKafka(topics: topics) { bootstrap, _ in
                if !isEmbedded {
                    try await KafkaAdmin(KafkaConfiguration(bootstrap: bootstrap, clientID: "test")).createTopics(
                        names.map { KafkaAdmin.NewTopic(name: $0, partitions: partitions) })
                }
                try await body(PresenceFixture(registry: registry, bootstrap: bootstrap, prefix: prefix))
            }
        }
    }

    /// Runs a reader while `body` runs, then ends it as SIGTERM does.
    func withReader(_ settings: [String: String] = [:], _ body: (PresenceMetrics) async throws -> Void) async throws {
        let standard = [
            "kafka.bootstrap": bootstrap, "kafka.topic-prefix": prefix, "presence.group": "\(prefix)group", "postgres.url": registry.url,
            "presence.flush": "100ms",
        ]
        let reader = try ConfigReader(DeviceRegistryService.blueprint.table, values: standard.merging(settings) { $1 })
        let metrics = PresenceMetrics(MetricsRegistry())
        let status = RegistryStatus()
        status.migrated()
        let presence = PresenceReader(
            config: DeviceRegistryConfig(reader, name: "device-registry"), metrics: metrics, status: status, changed: {},
            logger: Logger(label: "test", level: .critical), now: { ServiceClock.now() })
        try await running(presence) { try await body(metrics) }
    }

    func say(_ kind: DeviceEvent.Kind, _ device: String, session: String? = nil) throws {
        let now = ServiceClock.now()
        let event = DeviceEvent(device: try DeviceID(device), kind: kind, session: session, time: now, ingestTime: now, source: .mqtt)
        try send(Topics.deviceEvents.prefixed(prefix).name, [(device, try event.encoded())])
    }

    /// One reading of each device.
    func speak(_ devices: String...) throws {
        let now = ServiceClock.now()
        try send(
            Topics.telemetry.prefixed(prefix).name,
            devices.map { device in
                let sample = Sample(metric: try MetricName("n"), time: now, value: .int(1))
                let batch = TelemetryBatch(
                    device: try DeviceID(device), sequence: nil, ingestTime: now, source: .mqtt, samples: [sample])
                return (device, try batch.encoded())
            })
    }

    /// Raw records, acknowledged by Kafka when this returns.
    func send(_ topic: String, _ records: [(key: String, value: [UInt8])]) throws {
        let producer = try KafkaProducer(KafkaConfiguration(bootstrap: bootstrap, clientID: "test", linger: .milliseconds(1)))
        defer { producer.close() }
        for record in records {
            try Array(record.key.utf8).withUnsafeBytes { key in
                try record.value.withUnsafeBytes { try producer.enqueue(topic: topic, key: key, value: $0, tag: 1) }
            }
        }
        var failure: KafkaError?
        guard producer.flush(timeout: .seconds(30), { _, error in failure = failure ?? error }) else {
            throw SupportError("Kafka did not acknowledge")
        }
        if let failure { throw failure }
    }

    func eventuallyStatus(_ device: String, _ status: String) async throws {
        try await eventually("\(device) is \(status)", within: 60) {
            try registry.rows("SELECT status FROM registry.presence WHERE device = '\(device)'") == [status]
        }
    }
}
