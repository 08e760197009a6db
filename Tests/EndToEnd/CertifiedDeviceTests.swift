import Foundation
import TestSupport
import Testing

/// A device with a certificate, from its registration to the end of its right, done with curl, openssl and mosquitto_pub.
@Suite("A device with a certificate", .serialized)
struct CertifiedDeviceTests {
    /// Files of one device.
    private struct Device {
        let id: String
        let folder: URL
        var key: String { folder.appendingPathComponent("\(id).key").path }
        var request: String { folder.appendingPathComponent("\(id).csr").path }
        var certificate: String { folder.appendingPathComponent("\(id).pem").path }
    }

    private func run(_ program: String, _ arguments: [String]) async throws -> String {
        let outcome = try await runToEnd(program, arguments)
        guard outcome.code == 0 else {
            throw SupportError("\(program) \(arguments): \(outcome.code) \(outcome.output) \(outcome.errors)")
        }
        return outcome.output
    }

    private func register(_ id: String, _ stack: Stack, _ folder: URL) async throws -> Device {
        let device = Device(id: id, folder: folder)
        let address = "http://127.0.0.1:\(stack.registry.port)/v1/devices/\(id)"
        _ = try await run("curl", ["-sf", "-X", "PUT", address, "--json", #"{"type":"sensor"}"#])
        _ = try await run(
            "openssl", ["req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", device.key, "-out", device.request, "-subj", "/CN=\(id)"])
        _ = try await run(
            "curl",
            [
                "-sf", address + "/certificates?format=pem", "-H", "Content-Type: application/x-pem-file", "--data-binary",
                "@\(device.request)", "-o", device.certificate,
            ])
        return device
    }

    private func arguments(_ device: Device, _ stack: Stack, _ topic: String) -> [String] {
        [
            "-V", "5", "-h", "localhost", "-p", "\(stack.mosquitto.devicePort)", "--cafile", stack.mosquitto.authority, "--cert",
            device.certificate, "--key", device.key, "-q", "1", "-t", topic,
        ]
    }

    private func publish(_ device: Device, _ stack: Stack, _ topic: String, _ value: Int) async throws -> Outcome {
        try await runToEnd("mosquitto_pub", arguments(device, stack, topic) + ["-m", #"{"type":"t","value":\#(value)}"#])
    }

    private func latest(_ id: String, _ stack: Stack) async throws -> String { try await stack.writer.get("/v1/devices/\(id)/latest").body }

    @Test("registers, publishes as itself and not as another, and is cut off within seconds when it is revoked")
    func fromRegistrationToRevocation() async throws {
        let stack = try await Stack.shared.value
        try await withTemporaryFolder("devices") { folder in
            let device = try await register("cert-1", stack, folder)
            let other = try await register("cert-2", stack, folder)

            #expect(try await publish(device, stack, "sensor/cert-1/telemetry", 41).code == 0)
            try await eventually("its reading is stored") { try await latest("cert-1", stack).contains(#""value":41"#) }

            let denied = try await stack.registry.metric("iot_broker_denied_total")
            #expect(try await publish(device, stack, "sensor/cert-2/telemetry", 13).errors.contains("Not authorized"))
            try await eventually("the refusal is counted") { try await stack.registry.metric("iot_broker_denied_total") == denied + 1 }
            #expect(stack.mosquitto.log().contains("Denied PUBLISH from cert-1 "))
            #expect(try await publish(other, stack, "sensor/cert-2/telemetry", 7).code == 0)
            try await eventually("the other's reading is stored") { try await latest("cert-2", stack).contains(#""value":7"#) }
            let points = "timeseries.points('cert-2', 't', now() - interval '1 day', now() + interval '1 day')"
            let rows = "SELECT string_agg(value::text, ' ') FROM \(points)"
            #expect(try await run("psql", [stack.postgresURL, "-Atc", rows]) == "7\n", "the refused one is nowhere")

            try await cutOff(device, stack, folder)
            #expect(try await publish(other, stack, "sensor/cert-2/telemetry", 8).code == 0, "others go on")
        }
    }

    /// Revokes the certificate of a device that is connected and publishes ten times a second.
    private func cutOff(_ device: Device, _ stack: Stack, _ folder: URL) async throws {
        // One process to be stopped: what writes to it ends with it.
        let script = #"exec mosquitto_pub "$@" -l < <(n=100; while echo "{\"type\":\"t\",\"value\":$n}"; do n=$((n + 1)); sleep 0.1; done)"#
        let live = try ChildProcess(
            "live", "/bin/bash", ["-c", script, "live"] + arguments(device, stack, "sensor/\(device.id)/telemetry"), folder: folder)
        try await eventually("its readings come") { try await latest(device.id, stack).contains(#""value":1"#) }
        let refused = "certificate verify failed"
        #expect(!stack.mosquitto.log().contains(refused), "nobody was refused before")

        let serial = try await run("openssl", ["x509", "-in", device.certificate, "-noout", "-serial"]).trimmingCharacters(in: .newlines)
            .replacingOccurrences(of: "serial=", with: "")
        let address = "http://127.0.0.1:\(stack.registry.port)/v1/devices/\(device.id)/certificates/\(serial):revoke?reason=key_compromise"
        _ = try await run("curl", ["-sf", "-X", "POST", address])
        // It has lost its connection and tried to come back, or has ended.
        try await eventually("the live connection is closed and the device is refused", within: 5) {
            !live.isRunning || stack.mosquitto.log().contains(refused)
        }
        #expect(try await publish(device, stack, "sensor/\(device.id)/telemetry", 999).code != 0, "and does not get in again")
        try await live.stop(SIGKILL)
    }
}
