import Domain
import Foundation
import TestSupport
import Testing
import Wire

@Suite(.requiresRealKafka, .blockingThreads) struct IngestionTests {
    @Test func readingsAndEventsBecomeRecords() async throws {
        try await withIngestion { ingestion, broker in
            try publish(
                broker.port,
                [
                    ("sensor/s-1/telemetry", Array(#"{"sensor_id":"s-1","type":"temperature","value":21.5,"unit":"C"}"#.utf8)),
                    ("v1/d/d-1/telemetry", Array(#"{"data":{"a":1,"b":true}}"#.utf8)),
                    ("/sys/p/d-2/thing/event/property/post", Array(#"{"id":"9","params":{"Power":{"value":"on"}}}"#.utf8)),
                    ("device/d-3/status", Array(#"{"status":"offline","reason":"battery"}"#.utf8)),
                ])
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 3)
            #expect(Set(batches.map(\.device.text)) == ["s-1", "d-1", "d-2"])
            #expect(batches.allSatisfy { $0.source == .mqtt })
            let events = try await ingestion.records(of: Topics.deviceEvents, atLeast: 1)
            #expect(events.map(\.kind) == [.offline] && events.map(\.reason) == ["battery"])
            let metrics = try await ingestion.metrics()
            #expect(metrics["iot_device_data_received_total"] == 4)
            #expect(metrics[#"iot_device_events_total{kind="offline"}"#] == 1)
            #expect(metrics["iot_mqtt_messages_in_flight"] == 0)
            #expect(await ingestion.stop() == 0)
        }
    }

    @Test func userPropertiesNumberTheReadings() async throws {
        try await withIngestion { ingestion, broker in
            let reading = Array(#"{"metric":"m","value":1,"seq":3}"#.utf8)
            try publish(broker.port, [("v1/d/d-1/telemetry", reading)], properties: [("seq", "41"), ("stream", "7"), ("other", "x")])
            try publish(broker.port, [("v1/d/d-1/telemetry", reading)], properties: [("seq", "minus one")])
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 1)
            #expect(batches.map(\.sequence) == [StreamSequence(stream: 7, first: 41)])
            let letters = try await ingestion.records(of: Topics.deadLetters, atLeast: 1)
            #expect(letters.map(\.reasonCode) == ["property_invalid"])
        }
    }

    @Test func aWireBatchIsCheckedAndStampedAgain() async throws {
        try await withIngestion { ingestion, broker in
            let sample = { (time: Int64, value: MetricValue) in
                Sample(metric: try MetricName("m"), time: Timestamp(microseconds: time), value: value)
            }
            let now = Int64(Date().timeIntervalSince1970 * 1e6)
            let batch = { (device: String, samples: [Sample]) in
                try TelemetryBatch(
                    device: DeviceID(device), sequence: StreamSequence(stream: 1, first: 5), ingestTime: .unixEpoch, source: .edge,
                    samples: samples
                ).encoded()
            }
            try publish(
                broker.port,
                [
                    ("v1/d/d-1/telemetry", try batch("d-1", [try sample(now, .int(1)), try sample(0, .int(2))])),
                    ("v1/d/d-1/telemetry", try batch("d-2", [try sample(now, .int(1))])),
                    ("v1/d/d-1/telemetry", try batch("d-1", [try sample(now, .double(.nan))])),
                    ("v1/d/d-1/telemetry", Array(try batch("d-1", [try sample(now, .int(1))]).dropLast())),
                ])
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 1)
            #expect(batches.count == 1)
            #expect(batches[0].source == .mqtt && batches[0].ingestTime.microseconds >= now)
            #expect(batches[0].sequence == StreamSequence(stream: 1, first: 5))
            #expect(batches[0].samples.map(\.quality) == [[], .timeClamped])
            let letters = try await ingestion.records(of: Topics.deadLetters, atLeast: 3)
            #expect(Set(letters.map(\.reasonCode)) == ["device_mismatch", "value_not_finite", "wire_invalid"])
        }
    }

    @Test func aBurstOfMalformedMessagesDisturbsNoNeighbour() async throws {
        try await withIngestion { ingestion, broker in
            var random = SeededRandom(seed: 0xBAD5)
            let bad: [(String, [UInt8])] = [
                ("json_malformed", Array(#"{"metric":"m","value":}"#.utf8)), ("value_missing", Array(#"{"metric":"m"}"#.utf8)),
                ("device_mismatch", Array(#"{"device_id":"other","metric":"m","value":1}"#.utf8)),
                ("json_too_large", Array(repeating: 0x20, count: 130 << 10)), ("wire_invalid", [0x4D, 1, 1, 0, 9]),
                ("utf8_invalid", Array(#"{"metric":"m","value":""#.utf8) + [0xFF] + Array("\"}".utf8)), ("payload_empty", []),
                ("json_too_deep", Array(repeating: UInt8(ascii: "["), count: 10_000)),
            ]
            var messages: [(topic: String, payload: [UInt8])] = []
            var expected: [String: Int] = [:]
            for index in 0..<1_000 {
                let (reason, payload) = bad[Int.random(in: 0..<(index < 20 ? bad.count : 3), using: &random)]
                expected[reason, default: 0] += 1
                messages.append(("v1/d/bad/telemetry", payload))
                messages.append(("v1/d/good/telemetry", Array(#"{"metric":"m","value":\#(index)}"#.utf8)))
            }
            messages.append(("v1/d/not a device!/telemetry", Array("{}".utf8)))
            expected["device_id_invalid"] = 1
            try publish(broker.port, messages)
            let letters = try await ingestion.records(of: Topics.deadLetters, atLeast: 1_001)
            let counted: [String: Int] = Dictionary(letters.map { ($0.reasonCode, 1) }, uniquingKeysWith: +)
            #expect(counted == expected)
            #expect(
                letters.filter { $0.reasonCode == "json_malformed" }.allSatisfy { $0.text.contains("at byte 22") && $0.identity == "bad" })
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 1)
            let values: [MetricValue] = batches.flatMap { $0.samples.map(\.value) }
            #expect(values == (0..<1_000).map { MetricValue.int($0) })
            let source = try await ingestion.source()
            #expect(source.received == 2_001 && source.produced == 1_000 && source.rejected == 1_001 && source.inFlight == 0)
        }
    }

    @Test func singleReadingsOfOneBatchShareRecords() async throws {
        try await withIngestion { ingestion, broker in
            // Two streams of one device in turn, a gap in one of them, and a device without numbers.
            var messages: [(topic: String, payload: [UInt8])] = []
            for number in 0..<500 {
                messages.append(("v1/d/d-1/telemetry", Array(#"{"metric":"m","value":\#(number),"seq":\#(number),"stream":1}"#.utf8)))
                let even = #"{"metric":"m","value":\#(number),"seq":\#(number * 2),"stream":2}"#
                messages.append(("v1/d/d-2/telemetry", Array(even.utf8)))
                messages.append(("v1/d/d-3/telemetry", Array(#"{"metric":"m","value":\#(number)}"#.utf8)))
            }
            try publish(broker.port, messages)
            try await eventually("all are stored") { try await ingestion.source().produced == 1_500 }
            let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 500)
            let numbered = batches.filter { $0.device.text == "d-1" }
            #expect(numbered.count < 500, "nothing was shared")
            #expect(
                numbered.flatMap { batch in batch.samples.indices.map { batch.sequence?.number(ofSample: $0) } } == (0..<500).map { $0 })
            #expect(numbered.flatMap { $0.samples.map(\.value) } == (0..<500).map { .int($0) })
            let gaps = batches.filter { $0.device.text == "d-2" }
            #expect(gaps.map(\.sequence) == (0..<500).map { StreamSequence(stream: 2, first: $0 * 2) })
            let bare = batches.filter { $0.device.text == "d-3" }
            #expect(bare.count < 500 && bare.allSatisfy { $0.sequence == nil })
            #expect(bare.flatMap { $0.samples.map(\.value) } == (0..<500).map { .int($0) })
            let metrics = try await ingestion.metrics()
            #expect(metrics["iot_records_produced_total"] == Double(batches.count))
            #expect(metrics["iot_device_data_received_total"] == 1_500)
        }
    }

    /// Each topic has one connection, so that a device's messages stay in order; what an older session held is given up.
    @Test func connectionsThatDivideTheTopicsKeepTheOrder() async throws {
        try await withKafka { bootstrap, _ in
            let prefix = uniqueName("ingest") + "-"
            try await makeTopics(bootstrap, prefix)
            try await withMosquitto(logsPackets: false) { broker in
                let topics = "telemetry a/{device},telemetry b/{device}"
                let start = { (connections: Int, spread: String) in
                    let ingestion = try await RunningIngestion(
                        mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, clientID: "spread",
                        settings: [
                            "--mqtt.connections", "\(connections)", "--mqtt.spread", spread, "--ingest.topics", topics,
                            "--mqtt.share-group", "g",
                        ])
                    try await ingestion.waitUntilSubscribed()
                    return ingestion
                }
                let before = try await start(2, "messages")
                #expect(try await before.sources().map(\.ordered) == [false, false])
                #expect(await before.stop() == 0)
                let ingestion = try await start(2, "topics")
                #expect(try await ingestion.sources().map(\.filters) == [["$share/g/a/+"], ["$share/g/b/+"]])
                let payload = { (number: Int) in Array(#"{"metric":"m","value":\#(number),"seq":\#(number),"stream":1}"#.utf8) }
                try publish(broker.port, (0..<6_000).map { ($0 % 2 == 0 ? "a/d-\($0 % 20)" : "b/d-\($0 % 20)", payload($0)) })
                let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 6_000)
                var last: [String: UInt64] = [:]
                let disorder = batches.count { batch in
                    let number = batch.sequence?.first ?? 0
                    return last.updateValue(number, forKey: batch.device.text).map { $0 > number } ?? false
                }
                #expect(batches.count == 6_000 && disorder == 0)
                #expect(try await ingestion.sources().allSatisfy { $0.ordered && $0.produced == 3_000 })
                #expect(await ingestion.stop() == 0)
            }
        }
    }

    @Test func aPlainSubscriptionSeesTheRetainedStatus() async throws {
        try await withKafka { bootstrap, _ in
            let prefix = uniqueName("ingest") + "-"
            try await makeTopics(bootstrap, prefix)
            try await withMosquitto { broker in
                try publish(broker.port, [("device/d-1/status", Array("online".utf8))], retain: true)
                try publish(broker.port, [("device/d-1/data", Array(#"{"metric":"m","value":1}"#.utf8))], retain: true)
                let ingestion = try await RunningIngestion(
                    mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, settings: ["--mqtt.share-group", ""])
                let events = try await ingestion.records(of: Topics.deviceEvents, atLeast: 1)
                #expect(events.map(\.kind) == [.online])
                let batches = try await ingestion.records(of: Topics.telemetry, atLeast: 1)
                #expect(batches[0].samples[0].quality == [.timeAssigned, .uncertain])
                #expect(await ingestion.stop() == 0)
            }
        }
    }
}
