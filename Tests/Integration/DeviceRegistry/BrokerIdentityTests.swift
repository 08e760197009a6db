import Crypto
import Domain
import Files
import Foundation
import HTTPServer
import Ingestion
import JSON
import MQTTClient
import ServiceKit
import TestSupport
import Testing

@testable import DeviceRegistry

/// A real Mosquitto that takes its clients' names from certificates of the registry's authority.
@Suite struct BrokerIdentityTests {
    private static let shipped = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("deploy/mosquitto")

    /// A broker whose first listener is the inner one; the other is the shipped deploy/mosquitto/devices.conf, with the test's files.
    static func broker(_ fixture: CertificateFixture) async throws -> (server: MosquittoServer, port: Int) {
        let key = try PrivateKey(.p256)
        let now = Int64(Date().timeIntervalSince1970)
        let certificate = try fixture.authority.issue(
            to: key.publicKey(),
            CertificateProfile(
                subject: DistinguishedName(commonName: "localhost"), alternativeNames: [.dns("localhost"), .address([127, 0, 0, 1])],
                purpose: .server, validity: (now - 60)...(now + 3_600)))
        let path = { fixture.folder.appendingPathComponent($0).path }
        try DurableFile.replace(path("broker.pem"), try certificate.pem())
        try DurableFile.replace(path("broker.key"), try key.pem(), mode: 0o600)
        let text = try String(contentsOf: shipped.appendingPathComponent("devices.conf"), encoding: .utf8)
        let port = try freePort()
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            line.hasPrefix("listener ")
                ? "listener \(port) 127.0.0.1"
                : String(line).replacing("/mosquitto/pki/", with: fixture.folder.path + "/")
                    .replacing("/mosquitto/config/", with: shipped.path + "/")
        }
        let server = try await MosquittoServer(settings: ["per_listener_settings true", "allow_anonymous true"] + lines)
        try await server.start()
        try await eventually("the listener for devices is there") { isListening(port) }
        try DurableFile.replace(path("broker.pid"), Array("\(server.processID)\n".utf8))
        return (server, port)
    }

    private func publish(_ fixture: CertificateFixture, _ port: Int, as name: String?, _ topic: String) async throws
        -> (code: Int32, output: String)
    {
        let credentials = name.map { ["--cert", "\($0).pem", "--key", "\($0).key"] } ?? []
        return try await fixture.run(
            "/usr/bin/mosquitto_pub",
            ["-V", "5", "-h", "localhost", "-p", "\(port)", "--cafile", "ca.pem", "-q", "1", "-t", topic, "-m", "x"] + credentials)
    }

    @Test func devicesPublishAsThemselvesUntilTheyAreRevoked() async throws {
        try await CertificateFixture.with { fixture in
            try await fixture.publishing {
                let (broker, port) = try await Self.broker(fixture)
                let serial = try #require(try await fixture.enrol("pump-7").json["serial"]?.stringValue)
                _ = try await fixture.enrol("pump-8")

                let own = try await publish(fixture, port, as: "pump-7", "sensor/pump-7/telemetry")
                #expect(own.code == 0 && own.output.isEmpty, "\(own.output)")
                let foreign = ["sensor/pump-8/telemetry", "sensor/telemetry", "other", "sensor/pump-7x/telemetry", "v1/d/pump-8/status"]
                for topic in foreign {
                    #expect(try await publish(fixture, port, as: "pump-7", topic).output.contains("Not authorized"), "\(topic)")
                }
                #expect(try await publish(fixture, port, as: nil, "sensor/pump-7/telemetry").code != 0, "without a certificate")

                let path = "/v1/devices/pump-7/certificates/\(serial):revoke?reason=key_compromise"
                #expect(try await fixture.ask(.post, path).status == 200)
                try await eventually("the revoked certificate is refused", within: 5) {
                    try await publish(fixture, port, as: "pump-7", "sensor/pump-7/telemetry").code != 0
                }
                #expect(try await publish(fixture, port, as: "pump-8", "sensor/pump-8/telemetry").code == 0, "others go on")

                // A suspended device is out with all its certificates, and back in when it is active again.
                _ = try await fixture.ask(.post, "/v1/devices/pump-8:activate")
                _ = try await fixture.ask(.post, "/v1/devices/pump-8:suspend")
                try await eventually("the suspended device is refused", within: 5) {
                    try await publish(fixture, port, as: "pump-8", "sensor/pump-8/telemetry").code != 0
                }
                _ = try await fixture.ask(.post, "/v1/devices/pump-8:activate")
                try await eventually("the device is back", within: 5) {
                    try await publish(fixture, port, as: "pump-8", "sensor/pump-8/telemetry").code == 0
                }
                try await broker.stop(SIGKILL)
            }
        }
    }

    /// Every topic that ingestion listens to, and nothing of what belongs to others, not even by subscribing or by a last will.
    @Test func devicesReachTheirOwnTopicsOnly() async throws {
        try await CertificateFixture.with { fixture in
            try await fixture.publishing {
                let (broker, port) = try await Self.broker(fixture)
                _ = try await fixture.enrol("pump-7")
                _ = try await fixture.enrol("pump-8")
                for entry in TopicTable.defaultEntries {
                    let topic = String(entry.split(separator: " ")[1]).replacing("{device}", with: "pump-7")
                        .replacing("{product}", with: "boiler")
                    let result = try await publish(fixture, port, as: "pump-7", topic)
                    #expect(result.code == 0 && result.output.isEmpty, "\(topic): \(result.output)")
                }
                let inner = try await Watcher(
                    ["sensor/#", "v1/#"], MQTTConfiguration(host: "127.0.0.1", port: broker.port, clientID: "inner"))
                let device = try await Watcher(
                    ["#", "v1/d/pump-8/#", "v1/d/pump-7/#"], Self.configuration(fixture, port, "pump-7", will: "sensor/pump-8/status"))
                for topic in ["v1/d/pump-8/commands", "v1/d/pump-7/commands"] {
                    _ = try await fixture.run("/usr/bin/mosquitto_pub", ["-p", "\(broker.port)", "-q", "1", "-t", topic, "-m", "x"])
                }
                try await eventually("the device has its command") { !device.topics.isEmpty }
                #expect(Set(device.topics) == ["v1/d/pump-7/commands"])
                await device.vanish()
                // What comes after the will in the broker's order.
                _ = try await publish(fixture, port, as: "pump-7", "sensor/pump-7/status")
                try await eventually("the last message has come") { inner.topics.contains("sensor/pump-7/status") }
                #expect(!inner.topics.contains("sensor/pump-8/status"), "the will was another's")
                await inner.vanish()
                try await broker.stop(SIGKILL)
            }
        }
    }

    /// Certificates that only look right: of another authority of the same name, for servers, self-signed.
    @Test func strangersAreRefused() async throws {
        try await CertificateFixture.with { fixture in
            let now = Int64(Date().timeIntervalSince1970)
            let list = try fixture.authority.revocationList([], number: 1, validity: (now - 60)...(now + 3_600))
            try DurableFile.replace(fixture.folder.appendingPathComponent("crl.pem").path, list.pem)
            let other = try CertificateAuthority(
                subject: DistinguishedName(commonName: "Test devices"), validity: (now - 3_600)...(now + 86_400), key: try PrivateKey(.p256)
            )
            func profile(_ purpose: CertificateProfile.Purpose, _ validity: ClosedRange<Int64>) -> CertificateProfile {
                CertificateProfile(subject: DistinguishedName(commonName: "pump-7"), purpose: purpose, validity: validity)
            }
            let hour = (now - 60)...(now + 3_600)
            let (broker, port) = try await Self.broker(fixture)
            let key = try PrivateKey(.p256)
            for (name, certificate, isRight) in [
                ("right", try fixture.authority.issue(to: key.publicKey(), profile(.client, hour)), true),
                ("foreign", try other.issue(to: key.publicKey(), profile(.client, hour)), false),
                ("server", try fixture.authority.issue(to: key.publicKey(), profile(.server, hour)), false),
                ("expired", try fixture.authority.issue(to: key.publicKey(), profile(.client, (now - 600)...(now - 1))), false),
                ("early", try fixture.authority.issue(to: key.publicKey(), profile(.client, (now + 600)...(now + 3_600))), false),
            ] {
                try DurableFile.replace(fixture.folder.appendingPathComponent("\(name).pem").path, try certificate.pem())
                try DurableFile.replace(fixture.folder.appendingPathComponent("\(name).key").path, try key.pem(), mode: 0o600)
                let result = try await publish(fixture, port, as: name, "sensor/pump-7/telemetry")
                #expect((result.code == 0) == isRight, "\(name): \(result.output)")
            }
            try await broker.stop(SIGKILL)
        }
    }

    static func configuration(_ fixture: CertificateFixture, _ port: Int, _ device: String, will: String? = nil) -> MQTTConfiguration {
        let path = { fixture.folder.appendingPathComponent($0).path }
        var configuration = MQTTConfiguration(host: "localhost", port: port, clientID: "whatever")
        configuration.tls = MQTTTLS(authorities: path("ca.pem"), certificate: path("\(device).pem"), key: path("\(device).key"))
        configuration.will = will.map { MQTTWill(topic: $0, payload: Array("offline".utf8)) }
        return configuration
    }
}
