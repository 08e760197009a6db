import Domain
import Foundation
import KafkaClient
import TestSupport
import Testing
import Wire

/// Ingestion listens to those whom the registry knows.
@Suite(.requiresRealKafka, .blockingThreads, .timeLimit(.minutes(3))) struct IdentityTests {
    private func put(_ ingestion: RunningIngestion, _ records: [DeviceRecord]) async throws {
        let producer = try KafkaProducer(KafkaConfiguration(bootstrap: ingestion.bootstrap, clientID: "registry"))
        for record in records { try await producer.send(record, to: Topics.registryDevices.prefixed(ingestion.prefix)) }
    }

    private func device(_ id: String, _ lifecycle: DeviceRecord.Lifecycle, revision: Int64 = 1, type: String = "sensor") throws
        -> DeviceRecord
    {
        DeviceRecord(device: try DeviceID(id), revision: revision, updated: .unixEpoch, lifecycle: lifecycle, type: type)
    }

    private func describe(_ ingestion: RunningIngestion, _ name: String, _ policy: DeviceTypeRecord.RangePolicy) async throws {
        let producer = try KafkaProducer(KafkaConfiguration(bootstrap: ingestion.bootstrap, clientID: "registry"))
        let type = DeviceTypeRecord(
            name: name, revision: 1, updated: .unixEpoch, heartbeatSeconds: 300, rangePolicy: policy,
            metrics: [.init(name: try MetricName("level"), minimum: 0, maximum: 10)])
        try await producer.send(type, to: Topics.registryTypes.prefixed(ingestion.prefix))
    }

    private func reading(_ device: String, _ value: Double = 1) -> (String, [UInt8]) {
        ("v1/d/\(device)/telemetry", Array(#"{"metric":"level","value":\#(value)}"#.utf8))
    }

    private func knows(_ ingestion: RunningIngestion, devices: Double, types: Double = 0) async throws {
        try await eventually("the directory has \(devices) devices and \(types) types") {
            let metrics = try await ingestion.metrics()
            return metrics["iot_directory_devices"] == devices && metrics["iot_directory_types"] == types
        }
    }

    @Test func strangersSuspendedAndRetiredBecomeDeadLetters() async throws {
        try await withIngestion(identity: "known") { ingestion, broker in
            try await put(
                ingestion,
                [
                    try device("new", .provisioned), try device("good", .active), try device("held", .suspended),
                    try device("old", .retired),
                ])
            try await knows(ingestion, devices: 4)
            try publish(
                broker.port,
                ["new", "good", "held", "old", "stranger"].map { reading($0) }
                    + [("v1/d/stranger/status", Array("online".utf8)), ("v1/d/good/status", Array("online".utf8))])
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 2)
            #expect(Set(batches.map(\.device.text)) == ["new", "good"])
            let events = try await ingestion.records(of: Topics.deviceEvents, atLeast: 1)
            #expect(events.map(\.device.text) == ["good"])
            let letters = try await ingestion.records(of: Topics.deadLetters, atLeast: 4)
            #expect(
                letters.map { "\($0.identity ?? "") \($0.reasonCode)" }.sorted()
                    == [
                        "held device_suspended", "old device_retired", "stranger device_unknown", "stranger device_unknown",
                    ])
            #expect(letters.allSatisfy { $0.stage == .authorize && !$0.payload.isEmpty })
            let source = try await ingestion.source()
            #expect(source.received == 7 && source.produced == 3 && source.rejected == 4 && source.inFlight == 0)
        }
    }

    /// An open port must not be a way to fill Kafka.
    @Test func rejectedDevicesLeaveNothingInKafka() async throws {
        try await withIngestion(settings: ["--identity.refused", "reject"], identity: "known") { ingestion, broker in
            try await put(ingestion, [try device("good", .active), try device("held", .suspended), try device("old", .retired)])
            try await knows(ingestion, devices: 3)
            try publish(
                broker.port,
                [
                    reading("held"), reading("old"), reading("stranger"), ("v1/d/stranger/status", Array("online".utf8)),
                    ("v1/d/stranger/telemetry", []),
                ])
            try await settles(ingestion, broker, received: 5)
            let refused = try await ingestion.metrics()
            let counts = ["unknown", "suspended", "retired"].map {
                sum(refused, #"iot_mqtt_messages_rejected_total{reason="device_\#($0)"}"#)
            }
            #expect(counts == [3, 1, 1])
            #expect(sum(refused, "iot_dead_letters_total") == 0 && sum(refused, "iot_records_produced_total") == 0)
            let none = try await ingestion.records(of: Topics.deadLetters, atLeast: 0)
            let silence = try await ingestion.records(of: Topics.telemetry, atLeast: 0)
            let quiet = try await ingestion.records(of: Topics.deviceEvents, atLeast: 0)
            #expect(none.isEmpty && silence.isEmpty && quiet.isEmpty)
            // A device that may speak is heard beside them, and what of it cannot be read is a dead letter as ever.
            try publish(broker.port, [reading("good"), reading("held"), ("v1/d/good/telemetry", [])])
            try await settles(ingestion, broker, received: 8)
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 1)
            #expect(batches.map(\.device.text) == ["good"])
            let letters = try await ingestion.records(of: Topics.deadLetters, atLeast: 1)
            #expect(letters.map(\.reasonCode) == ["payload_empty"])
            let source = try await ingestion.source()
            #expect(source.received == 8 && source.produced == 1 && source.rejected == 7 && source.returned == 0 && source.inFlight == 0)
        }
    }

    /// All are acknowledged to the broker, which so has nothing to deliver again, and none is unaccounted for.
    private func settles(_ ingestion: RunningIngestion, _ broker: MosquittoServer, received: Int) async throws {
        try await eventually("\(received) messages are acknowledged") {
            broker.logCount("Received PUBACK from ingestion-\(ingestion.prefix)-0") == received
        }
        try await eventually("the books balance") {
            let metrics = try await ingestion.metrics()
            let fates = ["produced_total", "rejected_total", "returned_total", "in_flight"].map { sum(metrics, "iot_mqtt_messages_\($0)") }
            let taken = sum(metrics, "iot_mqtt_messages_received_total")
            return taken == Double(received) && taken == fates.reduce(0, +) && fates.last == 0
        }
    }

    /// Of the metric's series.
    private func sum(_ metrics: [String: Double], _ name: String) -> Double {
        metrics.filter { $0.key == name || $0.key.hasPrefix("\(name){") }.values.reduce(0, +)
    }

    /// What the registry says reaches a running ingestion within moments.
    @Test func aChangeOfStateCountsAtOnce() async throws {
        try await withIngestion(identity: "known") { ingestion, broker in
            try await put(ingestion, [try device("d", .active)])
            try await knows(ingestion, devices: 1)
            try await eventually("the device is refused once it is suspended") {
                try await put(ingestion, [try device("d", .suspended, revision: 2)])
                try publish(broker.port, [reading("d")])
                return try await ingestion.metrics()[#"iot_dead_letters_total{reason="device_suspended"}"#] ?? 0 > 0
            }
            try await eventually("and heard again once it is active") {
                let before = try await ingestion.source().produced
                try await put(ingestion, [try device("d", .active, revision: 3)])
                try publish(broker.port, [reading("d")])
                return try await ingestion.source().produced > before
            }
        }
    }

    @Test func theTypeSaysWhatBecomesOfValuesOutOfRange() async throws {
        try await withIngestion(identity: "known") { ingestion, broker in
            try await describe(ingestion, "marking", .flag)
            try await describe(ingestion, "refusing", .reject)
            try await put(ingestion, [try device("m", .active, type: "marking"), try device("r", .active, type: "refusing")])
            try await knows(ingestion, devices: 2, types: 2)
            try publish(broker.port, [reading("m", 5), reading("m", 50), reading("r", 5), reading("r", 50)])
            let samples = try await ingestion.records(of: Topics.telemetry, atLeast: 2).flatMap(\.samples)
            #expect(samples.filter { $0.quality.contains(.outOfRange) }.map(\.value) == [.double(50)])
            #expect(samples.count == 3)
            let letters = try await ingestion.records(of: Topics.deadLetters, atLeast: 1)
            #expect(letters.map(\.reasonCode) == ["out_of_range"])
            #expect(letters.first?.text == "level is 50.0, not within 0.0 … 10.0")
            #expect(try await ingestion.metrics()["iot_samples_out_of_range_total"] == 1)
        }
    }

    /// Closed means closed: without the registry's topics nothing is read, and nothing is lost.
    @Test func nothingIsReadBeforeTheDevicesAreKnown() async throws {
        try await withKafka { bootstrap, _ in
            let prefix = uniqueName("closed") + "-"
            let data = [AnyTopic(Topics.telemetry), AnyTopic(Topics.deviceEvents), AnyTopic(Topics.deadLetters)]
            let admin = try KafkaAdmin(KafkaConfiguration(bootstrap: bootstrap, clientID: "test"))
            try await admin.createTopics(data.map { $0.prefixed(prefix) }, replicationFactor: 1)
            try await withMosquitto { broker in
                // A run in open mode leaves its session at the broker.
                let before = try await RunningIngestion(mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, identity: "open")
                try await before.waitUntilSubscribed()
                await before.stop()
                let ingestion = try await RunningIngestion(mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, identity: "known")
                try publish(broker.port, [reading("d")])
                try await eventually("it waits") { try await ingestion.source().state == "waiting for the device directory" }
                try await eventually("/readyz names the topic that is missing") {
                    let ready = try await ingestion.readiness()
                    return ready.status == 503 && ready.body.contains("\(prefix)registry.devices")
                }
                #expect(try await ingestion.source().received == 0)
                let registry = [AnyTopic(Topics.registryDevices), AnyTopic(Topics.registryTypes)]
                try await admin.createTopics(registry.map { $0.prefixed(prefix) }, replicationFactor: 1)
                try await put(ingestion, [try device("d", .active)])
                // Stored or refused: that depends on whether the device or the end of its topic was read first.
                try await eventually("the message that the broker kept is taken, once") {
                    let source = try await ingestion.source()
                    return source.received == 1 && source.produced + source.rejected == 1
                }
                #expect(try await ingestion.readiness().status == 200)
                await ingestion.stop()
            }
        }
    }
}
