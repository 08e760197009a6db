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

/// The registry over a database and topics of a test's own.
struct PublisherFixture: Sendable {
    let registry: RegistryFixture
    let bootstrap: String
    let prefix: String
    let broker: KafkaServer

    static func with(ownBroker: Bool = false, _ body: (PublisherFixture) async throws -> Void) async throws {
        let prefix = uniqueName("registry") + "."
        let names = [Topics.registryDevices.prefixed(prefix).name, Topics.registryTypes.prefixed(prefix).name]
        let isEmbedded = KafkaServer.available == .embedded
        let topics = isEmbedded ? Dictionary(uniqueKeysWithValues: names.map { ($0, 3) }) : [:]
        try await RegistryFixture.with { registry in
            try await withKafka(own: ownBroker, topics: topics) { bootstrap, broker in
                if !isEmbedded {
                    try await KafkaAdmin(KafkaConfiguration(bootstrap: bootstrap, clientID: "test")).createTopics(
                        names.map { KafkaAdmin.NewTopic(name: $0, partitions: 3) })
                }
                try await body(PublisherFixture(registry: registry, bootstrap: bootstrap, prefix: prefix, broker: broker))
            }
        }
    }

    /// Runs a publisher while `body` runs, then ends it as SIGTERM does.
    func withPublisher(
        batch: Int = 7, fault: @escaping @Sendable (PublishStep) throws -> Void = { _ in }, _ body: (OutboxMetrics) async throws -> Void
    ) async throws {
        let reader = try ConfigReader(
            DeviceRegistryService.blueprint.table,
            values: [
                "kafka.bootstrap": bootstrap, "kafka.topic-prefix": prefix, "postgres.url": registry.url, "outbox.poll": "20ms",
                "outbox.batch": "\(batch)",
            ])
        let metrics = OutboxMetrics(MetricsRegistry())
        let status = RegistryStatus()
        status.migrated()
        let publisher = OutboxPublisher(
            config: DeviceRegistryConfig(reader, name: "device-registry"), metrics: metrics, devices: DeviceGauges(MetricsRegistry()),
            status: status, wake: PublisherWake(), clientMetrics: MetricsRegistry(),
            logger: Logger(label: "test", level: .critical), fault: fault)
        try await running(publisher) { try await body(metrics) }
    }

    func expectEmptyOutbox() async throws {
        try await eventually("the outbox is empty", within: 60) { try registry.rows("SELECT count(*) FROM registry.outbox") == ["0"] }
    }

    /// What a topic tells of each key, oldest first; nil is a tombstone.
    func history<Message: StateMessage>(_ topic: Topic<Message>) throws -> [Message.Subject: [Message?]] {
        let reader = try KafkaReader(
            KafkaConfiguration(bootstrap: bootstrap, clientID: "test"), topic: topic.prefixed(prefix).name, from: .beginning)
        var history: [Message.Subject: [Message?]] = [:]
        let deadline = ContinuousClock.now + .seconds(20)
        while !reader.hasReachedEnd {
            guard ContinuousClock.now < deadline else { throw SupportError("the topic could not be read") }
            _ = try reader.poll(timeout: .milliseconds(100)) { record in
                let subject = try Message.subject(ofKey: record.key)
                history[subject, default: []].append(record.isTombstone ? nil : try Message(decoding: record.value))
            }
        }
        return history
    }

    /// How a reader of the whole topic sees the fleet: id → revision, lifecycle.
    func view() throws -> [String: String] {
        try history(Topics.registryDevices).compactMapValues { $0.last ?? nil }
            .reduce(into: [:]) { $0[$1.key.text] = "\($1.value.revision)|\($1.value.lifecycle.name)" }
    }

    /// How the table has it.
    func table() throws -> [String: String] {
        let rows = try registry.rows(
            "SELECT id, revision, CASE WHEN deleted_at IS NULL THEN lifecycle ELSE 'retired' END FROM registry.devices")
        return rows.reduce(into: [:]) { result, row in
            let parts = row.split(separator: "|", maxSplits: 1)
            result[String(parts[0])] = String(parts[1])
        }
    }
}
