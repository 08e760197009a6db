import Domain
import Foundation
import TestSupport
import Testing
import Wire

/// An acknowledged message is in Kafka, whatever happens.
@Suite(.requiresOwnKafka, .serialized, .blockingThreads) struct IngestionDurabilityTests {
    @Test func withoutKafkaNothingIsAcknowledged() async throws {
        try await withKafka(own: true) { bootstrap, kafka in
            try await makeTopics(bootstrap, "")
            try await withMosquitto { broker in
                let ingestion = try await RunningIngestion(
                    mqttPort: broker.port, bootstrap: bootstrap, prefix: "", clientID: "proof")
                try await ingestion.waitUntilSubscribed()
                try publish(broker.port, messages(0..<10))
                try await eventually("the first are acknowledged") { broker.logCount("Received PUBACK from proof-0") == 10 }
                try await kafka.kill()
                try publish(broker.port, messages(10..<5_000))
                try await eventually("a batch is in hand") { try await ingestion.source().inFlight > 0 }
                #expect(broker.logCount("Received PUBACK from proof-0") == 10)
                let held = try await ingestion.source()
                #expect(held.inFlight <= 2_000)
                try await kafka.restart()
                let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 5_000)
                // Exactly once here: the connection was not dropped, and the idempotent producer sent again by itself.
                let numbers: [UInt64] = batches.compactMap { $0.sequence?.first }.sorted()
                #expect(numbers == Array(0..<UInt64(5_000)))
                try await eventually("all are acknowledged") { broker.logCount("Received PUBACK from proof-0") == 5_000 }
                #expect(await ingestion.stop() == 0)
            }
        }
    }

    @Test func aBatchThatKafkaDoesNotTakeComesAgain() async throws {
        try await withKafka(own: true) { bootstrap, kafka in
            try await makeTopics(bootstrap, "")
            try await withMosquitto { broker in
                let ingestion = try await RunningIngestion(
                    mqttPort: broker.port, bootstrap: bootstrap, prefix: "",
                    clientID: "again", settings: ["--kafka.message-timeout", "1s"])
                try await ingestion.waitUntilSubscribed()
                try await kafka.kill()
                try publish(broker.port, messages(0..<3_000))
                try await eventually("a batch was given back") { try await ingestion.source().returned > 0 }
                #expect(broker.logCount("Received PUBACK from again-0") == 0)
                #expect(try await ingestion.source().lastError?.contains("delivers them again") == true)
                try await kafka.restart()
                let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 3_000)
                let numbers: Set<UInt64> = Set(batches.compactMap { $0.sequence?.first })
                #expect(numbers == Set(0..<UInt64(3_000)))
                let source = try await ingestion.source()
                #expect(source.received == source.produced + source.rejected + source.returned + source.inFlight)
                #expect(await ingestion.stop() == 0)
            }
        }
    }

    /// Mosquitto restarts while ingestion is away, then devices publish: its session must take what it acknowledges to them.
    @Test func aRestartedBrokerKeepsWhatItAcknowledges() async throws {
        try await withKafka { bootstrap, _ in
            let prefix = uniqueName("ingest") + "-"
            try await makeTopics(bootstrap, prefix)
            try await withMosquitto(persistent: true) { broker in
                let first = try await RunningIngestion(mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, clientID: "kept")
                try await first.waitUntilSubscribed()
                #expect(await first.stop() == 0)
                try await broker.stop()
                try await broker.start()
                try publish(broker.port, messages(0..<100))
                let second = try await RunningIngestion(mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, clientID: "kept")
                #expect(try await second.records(of: Topics.telemetry, atLeast: 100).count == 100)
                #expect(await second.stop() == 0)
            }
        }
    }

    /// Packet ids wrap at 65,535; a stop in the middle loses nothing and doubles nothing.
    @Test func seventyThousandMessagesAcrossAStop() async throws {
        try await withKafka(own: true) { bootstrap, _ in
            try await makeTopics(bootstrap, "")
            try await withMosquitto(logsPackets: false) { broker in
                let first = try await RunningIngestion(mqttPort: broker.port, bootstrap: bootstrap, prefix: "", clientID: "wrap")
                try await first.waitUntilSubscribed()
                let port = broker.port
                let all = messages(0..<70_000)
                let load = Task.detached { try publish(port, all) }
                try await eventually("a third has come") { try await first.source().produced > 20_000 }
                #expect(await first.stop() == 0)
                let second = try await RunningIngestion(mqttPort: broker.port, bootstrap: bootstrap, prefix: "", clientID: "wrap")
                try await load.value
                let batches = try await second.records(of: Topics.telemetry, atLeast: 70_000, within: 120)
                #expect(batches.count == 70_000)
                var next: [String: UInt64] = [:]
                var disorder = 0
                for batch in batches {
                    let number = batch.sequence?.first ?? 0
                    if number < next[batch.device.text, default: 0] { disorder += 1 }
                    next[batch.device.text] = number + 1
                }
                #expect(disorder == 0, "order per device")
                #expect(await second.stop() == 0)
            }
        }
    }

    /// 20 devices, numbered through.
    private func messages(_ range: Range<Int>) -> [(topic: String, payload: [UInt8])] {
        range.map { number in
            ("v1/d/d-\(number % 20)/telemetry", Array(#"{"metric":"m","value":\#(number),"seq":\#(number),"stream":1}"#.utf8))
        }
    }
}
