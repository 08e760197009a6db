import Foundation
import TestSupport
import Testing

/// What the README promises a newcomer, done with the newcomer's tools: mosquitto_pub, curl, Python.
@Suite("A newcomer's first hour", .serialized)
struct NewcomerTests {
    @Test("a reading published by hand is the device's latest value, seen by tail and by Python")
    func readingByHand() async throws {
        let stack = try await Stack.shared.value
        try await stack.publish(
            "sensor/pump-7/telemetry", #"{"sensor_id":"pump-7","type":"temperature","value":21.5,"unit":"C","seq":1}"#)
        try await eventually("pump-7 has a latest value") { try await stack.writer.get("/v1/devices/pump-7/latest").status == 200 }
        let latest = try await stack.writer.get("/v1/devices/pump-7/latest").body
        #expect(latest.contains("temperature"))
        #expect(latest.contains("21.5"))

        let tail = try await stack.martlet(
            "tail", "telemetry", "--kafka", stack.kafka.bootstrap, "--from", "beginning", "--device", "pump-7", "--count", "1")
        #expect(tail.output.contains("pump-7") && tail.output.contains("21.5"), "\(tail.output) \(tail.errors)")

        let python = try await runToEnd(
            "python3",
            [
                Binaries.root.appendingPathComponent("deploy/integrations/python/read_telemetry.py").path, "--bootstrap",
                stack.kafka.bootstrap, "--from-beginning", "--device", "pump-7", "--count", "1",
            ])
        #expect(python.output.contains("pump-7") && python.output.contains("21.5"), "\(python.output) \(python.errors)")
    }

    @Test("every shape of topic and payload that users bring along is stored")
    func topicsAndShapes() async throws {
        let stack = try await Stack.shared.value
        let messages = [
            ("v1/d/shape-1/telemetry", #"{"type":"t","value":1}"#, "shape-1"),
            (
                "sensors/shape-2/data", #"{"device_id":"shape-2","timestamp":1767225600000,"data":{"t":1.5,"on":true,"mode":"eco"}}"#,
                "shape-2"
            ),
            (
                "device/shape-3/data", #"[{"device_id":"shape-3","type":"t","value":1},{"device_id":"shape-3","type":"t","value":2}]"#,
                "shape-3"
            ),
            ("/sys/boiler/shape-4/thing/event/property/post", #"{"metrics":{"t":-4}}"#, "shape-4"),
        ]
        for (topic, payload, _) in messages { try await stack.publish(topic, payload) }
        for (topic, _, device) in messages {
            try await eventually("\(device), sent to \(topic), has series") {
                try await stack.writer.get("/v1/devices/\(device)/series").status == 200
            }
        }
    }

    @Test("a gap in the sequence and a repeat can be seen in the ledger")
    func ledgerShowsLoss() async throws {
        let stack = try await Stack.shared.value
        for sequence in [1, 2, 5, 5] {
            try await stack.publish("v1/d/gappy/telemetry", #"{"type":"t","value":\#(sequence),"seq":\#(sequence)}"#)
        }
        try await eventually("the ledger of gappy counts a duplicate") {
            try await stack.writer.get("/v1/ledger/gappy").body.contains(#""duplicates":1"#)
        }
        let ledger = try await stack.writer.get("/v1/ledger/gappy").body
        #expect(ledger.contains("gaps"), "\(ledger)")
    }

    @Test("a status message becomes a device event")
    func statusBecomesEvent() async throws {
        let stack = try await Stack.shared.value
        try await stack.publish("v1/d/lamp-1/status", #"{"status":"online","session":"s-1"}"#)
        let tail = try await stack.martlet(
            "tail", "device-events", "--kafka", stack.kafka.bootstrap, "--from", "beginning", "--device", "lamp-1", "--count", "1")
        #expect(tail.output.contains("online") && tail.output.contains("s-1"), "\(tail.output) \(tail.errors)")
    }

    @Test("a record that an integrator publishes from Python is stored as a row")
    func pythonPublishes() async throws {
        let stack = try await Stack.shared.value
        let outcome = try await runToEnd(
            "python3",
            [
                Binaries.root.appendingPathComponent("deploy/integrations/python/publish_telemetry.py").path, "from-python",
                "level=3.25", "--bootstrap", stack.kafka.bootstrap,
            ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        try await eventually("from-python has a latest value") {
            try await stack.writer.get("/v1/devices/from-python/latest").body.contains("3.25")
        }
    }
}

/// What the person on call may rely on in every service.
@Suite("Every service", .serialized)
struct EveryServiceTests {
    @Test("answers health, readiness, metrics and its API description", arguments: ["ingestion", "timeseries-writer", "device-registry"])
    func standardEndpoints(name: String) async throws {
        let stack = try await Stack.shared.value
        let service = stack.service(name)
        #expect(try await service.get("/healthz").status == 200)
        #expect(try await service.get("/readyz").status == 200)
        #expect(try await service.get("/metrics").body.contains("# TYPE iot_"))
        #expect(try await service.json("/openapi.json")["openapi"] as? String == "3.1.0")
        let missing = try await service.get("/v1/nowhere")
        #expect(missing.status == 404 && missing.body.contains(#""code""#), "\(missing)")
    }

    @Test("explains its settings and refuses a bad one", arguments: ["ingestion", "timeseries-writer", "device-registry"])
    func settings(name: String) async throws {
        let binary = try Binaries.path(name)
        let help = try await runToEnd(binary, ["--help"])
        #expect(help.code == 0 && help.output.contains("kafka.bootstrap"), "\(help.errors)")
        let print = try await runToEnd(binary, ["--print-config"], environment: ["MARTLET_POSTGRES_URL": "postgresql://u:geheim@h/d"])
        #expect(print.code == 0 && !print.output.contains("geheim"), "\(print.errors)")
        let bad = try await runToEnd(binary, ["--http.port", "eighty"])
        #expect(bad.code == 64 && bad.errors.contains("http.port"), "\(bad.errors)")
    }
}
