import Foundation
import TestSupport
import Testing

/// What a device was told is safe, is stored exactly once: whatever dies in between. One after the other, they share the stack.
@Suite("Delivery", .serialized)
struct DeliveryTests {
    @Test("a calm minute: all stored once, duplicates and disorder included")
    func calm() async throws {
        let stack = try await Stack.shared.value
        let verdict = try await stack.runFleet(
            "calm", messages: 20_000, options: ["--duplicates", "5", "--disorder", "5", "--shape", "mixed"])
        #expect(verdict.isClean, "\(verdict)")
        #expect(verdict.acknowledged >= 20_000, "\(verdict)")
        try await expectConservation(stack)
    }

    /// As far back as ingestion takes by default: none of it may be moved for being too old.
    @Test("thirty days of the past: all stored once, with the times they were sent with")
    func past() async throws {
        let stack = try await Stack.shared.value
        let ledger = stack.folder.appendingPathComponent("past.ledger").path
        let simulated = try await stack.martlet(
            "simulate", "--prefix", "past-", "--backfill", "30d", "--devices", "4", "--rate", "0.002", "--shape", "mixed", "--for", "0",
            "--ledger", ledger, "--mqtt", "127.0.0.1:\(stack.mosquitto.port)")
        #expect(simulated.code == 0, "\(simulated.errors)")
        let outcome = try await stack.martlet("verify", "--ledger", ledger, "--postgres", stack.postgresURL, "--wait", "60", "--json")
        let verdict = try JSONDecoder().decode(Verdict.self, from: Data(outcome.output.utf8))
        #expect(verdict.isClean, "\(verdict)")
        // 30 days with a message in 2,000 s of each device: 1, 5, 5 and 10 rows a message.
        #expect(verdict.stored > 1_290 * 21 - 21 && verdict.stored <= 1_297 * 21, "\(verdict)")
    }

    @Test("ingestion killed 10 times under load", .requiresOwnKafka)
    func killIngestion() async throws {
        let stack = try await Stack.shared.value
        let verdict = try await stack.runFleet("killi", messages: 30_000) { fleet in
            try await kill(stack.ingestion, times: 10, during: fleet)
        }
        #expect(verdict.isClean, "\(verdict)")
        #expect(verdict.acknowledged >= 30_000, "\(verdict)")
    }

    @Test("timeseries-writer killed 10 times under load", .requiresOwnKafka)
    func killWriter() async throws {
        let stack = try await Stack.shared.value
        let verdict = try await stack.runFleet("killw", messages: 30_000) { fleet in
            try await kill(stack.writer, times: 10, during: fleet)
        }
        #expect(verdict.isClean, "\(verdict)")
        #expect(verdict.acknowledged >= 30_000, "\(verdict)")
    }

    @Test("Kafka away for 30 s: nothing acknowledged meanwhile is missing afterwards", .requiresOwnKafka)
    func brokerAway() async throws {
        let stack = try await Stack.shared.value
        let verdict = try await stack.runFleet("away", rate: 1_000, messages: 45_000) { fleet in
            try await eventually("the fleet's first rows", within: 60) { try await stack.writer.metric("iot_rows_written_total") > 0 }
            try await stack.kafka.kill()
            try await Task.sleep(for: .seconds(30))  // The outage itself is what is under test.
            #expect(fleet.isSending)
            try await stack.kafka.restart()
            try await stack.ingestion.awaitReady()
            try await stack.writer.awaitReady()
        }
        #expect(verdict.isClean, "\(verdict)")
        #expect(verdict.acknowledged >= 45_000, "\(verdict)")
    }

    @Test("SIGTERM under load: both services end with 0 and nothing is lost")
    func terminate() async throws {
        let stack = try await Stack.shared.value
        let verdict = try await stack.runFleet("term", messages: 40_000) { fleet in
            for service in [stack.ingestion, stack.writer, stack.ingestion, stack.writer] {
                try await advance(stack, by: 1_000)
                #expect(try await service.stop(SIGTERM) == 0, "\(service.name); its log: \(service.log)")
                try await service.startAndAwaitReady()
            }
            #expect(fleet.isSending)
        }
        #expect(verdict.isClean, "\(verdict)")
    }

    @Test("1,000 malformed messages land in dead letters with reasons while good ones flow")
    func malformedBurst() async throws {
        let stack = try await Stack.shared.value
        let before = try await stack.ingestion.metric("iot_dead_letters_total")
        let lines = (0..<1_000).map { Malformed.payload($0) }.joined(separator: "\n")
        let verdict = try await stack.runFleet("good", rate: 1_000, messages: 5_000) { _ in
            let burst = try await runToEnd(
                "mosquitto_pub", ["-p", String(stack.mosquitto.port), "-q", "1", "-t", "sensor/mangled/telemetry", "-l"],
                input: lines + "\n")
            #expect(burst.code == 0, "\(burst.errors)")
        }
        #expect(verdict.isClean, "\(verdict)")
        try await eventually("1,000 dead letters counted") {
            try await stack.ingestion.metric("iot_dead_letters_total") - before == 1_000
        }
        let tail = try await stack.martlet(
            "tail", "dead-letters", "--kafka", stack.kafka.bootstrap, "--from", "beginning", "--count", "1000")
        let letters = try tail.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(letters.count == 1_000, "\(tail.errors)")
        let reasons = Set(letters.compactMap { $0["reasonCode"] as? String })
        #expect(reasons.count >= 5, "\(reasons)")
        #expect(letters.allSatisfy { ($0["text"] as? String)?.isEmpty == false })
        try await expectConservation(stack)
    }

    /// Waits for the next crash moment by progress, not by the clock: a random number of further rows, then SIGKILL.
    private func kill(_ service: RunningService, times: Int, during fleet: Fleet) async throws {
        let stack = try await Stack.shared.value
        var random = SeededRandom(seed: UInt64.random(in: 0...UInt64.max))
        print("\(service.name): kill moments from seed \(random.seed)")
        for round in 1...times {
            try await advance(stack, by: Double.random(in: 50...1_500, using: &random))
            try #require(fleet.isSending, "the fleet ended before kill \(round)")
            #expect(try await service.stop(SIGKILL) != 0)
            try await service.startAndAwaitReady()
        }
    }

    private func advance(_ stack: Stack, by messages: Double) async throws {
        let goal = try await stack.ingestion.metric("iot_mqtt_messages_produced_total") + messages
        try await eventually("\(messages) further messages produced", within: 60) {
            try await stack.ingestion.metric("iot_mqtt_messages_produced_total") >= goal
        }
    }

    /// Everything that came in has gone out, or was given back to be delivered again: nothing is unaccounted for.
    private func expectConservation(_ stack: Stack) async throws {
        let received = try await stack.ingestion.metric("iot_mqtt_messages_received_total")
        let produced = try await stack.ingestion.metric("iot_mqtt_messages_produced_total")
        let rejected = try await stack.ingestion.metric("iot_mqtt_messages_rejected_total")
        let returned = try await stack.ingestion.metric("iot_mqtt_messages_returned_total")
        #expect(try await stack.ingestion.metric("iot_mqtt_messages_in_flight") == 0)
        #expect(received == produced + rejected + returned)
        let consumed = try await stack.writer.metric("iot_records_consumed_total")
        let written = try await stack.writer.metric("iot_records_written_total")
        let duplicate = try await stack.writer.metric("iot_records_duplicate_total")
        let dead = try await stack.writer.metric("iot_records_dead_lettered_total")
        let consumedAgain = try await stack.writer.metric("iot_records_returned_total")
        #expect(consumed == written + duplicate + dead + consumedAgain)
    }
}

/// Payloads that no reader may accept, each wrong in its own way.
enum Malformed {
    static func payload(_ index: Int) -> String {
        switch index % 8 {
        case 0: "not json \(index)"
        case 1: #"{"sensor_id":"mangled","type":"t","value":"#
        case 2: #"{"sensor_id":"someone-else","type":"t","value":\#(index)}"#
        case 3: #"{"sensor_id":"mangled","type":"t"}"#
        case 4: #"{"sensor_id":"mangled","value":1}"#
        case 5: #"{"sensor_id":"mangled","type":"t","value":1,"timestamp":"yesterday"}"#
        case 6: #"{"sensor_id":"mangled","type":"t","value":1,"value":2}"#
        default: String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        }
    }
}
