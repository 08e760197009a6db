import Foundation
import TestSupport
import Testing

/// Devices come, die and fall silent, and the registry is killed in the middle.
@Suite("presence, from the device to the registry", .serialized, .timeLimit(.minutes(3)))
struct PresenceTests {
    @Test("a will fires when a device is killed, a silent one is found, each is offline once, over a kill of the registry")
    func comesAndGoes() async throws {
        let stack = try await Stack.shared.value
        let registry = try RunningService(
            "device-registry", folder: stack.folder,
            environment: [
                "MARTLET_KAFKA_BOOTSTRAP": stack.kafka.bootstrap, "MARTLET_POSTGRES_URL": try stack.postgres.makeDatabase(),
                "MARTLET_HTTP_HOST": "127.0.0.1", "MARTLET_PRESENCE_GROUP": "presence-test", "MARTLET_PRESENCE_FLUSH": "200ms",
                "MARTLET_AUTO_REGISTER": "on",
            ])
        try await registry.startAndAwaitReady()
        try await put(registry, "types/brisk", #"{"heartbeat_seconds": 4}"#)
        try await put(registry, "devices/p-silent", #"{"type": "brisk"}"#)
        try await put(registry, "devices/p-killed", #"{"type": "sensor"}"#)

        let device = try connect("p-killed", session: "1", stack)
        try await stack.publish("v1/d/p-killed/status", #"{"status": "online", "session": "1"}"#)
        try await expect(registry, "p-killed", "online")
        try await stack.publish("v1/d/p-silent/telemetry", #"{"type": "t", "value": 1}"#)
        try await expect(registry, "p-silent", "online")

        try await registry.stop(SIGKILL)
        // Nobody in the registry sees it die.
        try await device.stop(SIGKILL)
        try await registry.startAndAwaitReady()
        try await expect(registry, "p-killed", "offline")
        try await expect(registry, "p-silent", "offline")

        let back = try connect("p-killed", session: "2", stack)
        try await stack.publish("v1/d/p-killed/status", #"{"status": "online", "session": "2"}"#)
        try await expect(registry, "p-killed", "online")
        // The will of its first connection once more.
        try await stack.publish("v1/d/p-killed/status", #"{"status": "offline", "session": "1"}"#)
        try await stack.publish("v1/d/p-other/telemetry", #"{"type": "t", "value": 1}"#)
        try await eventually("a stranger is registered", within: 60) { try await registry.get("/v1/devices/p-other").status == 200 }
        let killed = try await registry.json("/v1/devices/p-killed")
        #expect(killed["status"] as? String == "online" && killed["lifecycle"] as? String == "active")
        // Online, offline, online; the silent one went once.
        #expect(killed["status_version"] as? Int == 3)
        let silent = try await registry.json("/v1/devices/p-silent")
        #expect(silent["status"] as? String == "offline" && silent["status_version"] as? Int == 2)
        let audit = try await registry.get("/v1/audit?actor=auto-register&key=p-other").body
        #expect(audit.contains("\"create\""))
        #expect(try await back.stop(SIGTERM) == 0)
        #expect(try await registry.stop(SIGTERM) == 0, "its log: \(registry.log)")
    }

    /// A client that stays connected, with a last will.
    private func connect(_ id: String, session: String, _ stack: Stack) throws -> ChildProcess {
        try ChildProcess(
            "device-\(id)", "/usr/bin/mosquitto_sub",
            [
                "-p", String(stack.mosquitto.port), "-i", "\(id)-\(session)", "-t", "v1/d/\(id)/commands", "--will-topic",
                "v1/d/\(id)/status", "--will-qos", "1", "--will-payload", #"{"status": "offline", "session": "\#(session)"}"#,
            ], folder: stack.folder)
    }

    private func put(_ registry: RunningService, _ path: String, _ body: String) async throws {
        let answer = try await runToEnd(
            "curl", ["-sS", "--fail-with-body", "-X", "PUT", "http://127.0.0.1:\(registry.port)/v1/\(path)", "--json", body])
        #expect(answer.code == 0, "\(answer.output) \(answer.errors)")
    }

    private func expect(_ registry: RunningService, _ id: String, _ status: String) async throws {
        try await eventually("\(id) is \(status); log: \(registry.log)", within: 60) {
            try await registry.json("/v1/devices/\(id)")["status"] as? String == status
        }
    }
}
