import Crypto
import Domain
import Files
import Foundation
import HTTPServer
import JSON
import MQTTClient
import PostgresClient
import ServiceKit
import TestSupport
import Testing

@testable import DeviceRegistry

/// Mosquitto looks at the list of the revoked when a client connects and never again: whoever is connected has to be sent away.
@Suite struct BrokerSessionTests {
    @Test func aRevokedDeviceIsSentAwayAndStaysOut() async throws {
        try await CertificateFixture.with { fixture in
            let (broker, port) = try await Self.startBroker(fixture)
            try await fixture.publishing(brokerPort: broker.port) {
                let serial = try #require(try await fixture.enrol("pump-7").json["serial"]?.stringValue)
                _ = try await fixture.enrol("pump-8")
                let device = try await Watcher(["sensor/pump-7/#"], BrokerIdentityTests.configuration(fixture, port, "pump-7"))
                let other = try await Watcher(["sensor/pump-8/#"], BrokerIdentityTests.configuration(fixture, port, "pump-8"))

                let path = "/v1/devices/pump-7/certificates/\(serial):revoke?reason=key_compromise"
                #expect(try await fixture.ask(.post, path).status == 200)
                try await eventually("the connection is closed and the device does not get in again", within: 5) {
                    device.lost > 0 && !device.isConnected
                }
                try await eventually("all rounds are over", within: 30) {
                    try fixture.registry.rows("SELECT device FROM registry.disconnections").isEmpty
                }
                #expect(!device.isConnected && device.subscribed == 1, "it was let in once, before")
                #expect(other.lost == 0 && other.isConnected, "others are not disturbed")
                #expect(fixture.metric("iot_registry_disconnections_total") == 3)
                #expect(fixture.metric("iot_registry_disconnection_failures_total") == 0)
                await device.vanish()
                await other.vanish()
            }
            try await broker.stop(SIGKILL)
        }
    }

    /// Suspended, deleted, purged: whatever takes a device its right takes its connection.
    @Test(arguments: ["suspend", "retire", "delete"]) func aBarredDeviceIsSentAway(_ way: String) async throws {
        try await CertificateFixture.with { fixture in
            let (broker, port) = try await Self.startBroker(fixture)
            try await fixture.publishing(brokerPort: broker.port) {
                _ = try await fixture.enrol("pump-7")
                _ = try await fixture.ask(.post, "/v1/devices/pump-7:activate")
                let device = try await Watcher(["sensor/pump-7/#"], BrokerIdentityTests.configuration(fixture, port, "pump-7"))
                let answer =
                    way == "delete"
                    ? try await fixture.ask(.delete, "/v1/devices/pump-7") : try await fixture.ask(.post, "/v1/devices/pump-7:\(way)")
                #expect((200...204).contains(answer.status))
                try await eventually("the connection is closed and the device does not get in again", within: 5) {
                    device.lost > 0 && !device.isConnected
                }
                await device.vanish()
            }
            try await broker.stop(SIGKILL)
        }
    }

    /// A broker that is away is asked again until it is there; lists are made meanwhile, and a new registry goes on where the old one was.
    @Test func whatCouldNotBeEndedIsTriedAgain() async throws {
        try await CertificateFixture.with { fixture in
            let port = try freePort()
            try await fixture.publishing(brokerPort: port) {
                let serial = try #require(try await fixture.enrol("pump-7").json["serial"]?.stringValue)
                #expect(try await fixture.ask(.post, "/v1/devices/pump-7/certificates/\(serial):revoke").status == 200)
                try await eventually("the failure is counted") { fixture.metric("iot_registry_disconnection_failures_total") >= 2 }
                try await eventually("the list has it all the same") { fixture.board.count == 1 }
                #expect(try fixture.registry.rows("SELECT device, rounds FROM registry.disconnections") == ["pump-7|0"])
            }
            let (broker, _) = try await Self.startBroker(fixture)
            try await fixture.publishing(brokerPort: broker.port) {
                try await eventually("the wish is fulfilled") { try fixture.registry.rows("SELECT * FROM registry.disconnections").isEmpty }
            }
            try await broker.stop(SIGKILL)
        }
    }

    /// A device that goes on with a newer certificate is left in peace; one whose key may be known to others is not.
    @Test func rotationDisturbsNobody() async throws {
        try await CertificateFixture.with { fixture in
            let old = try #require(try await fixture.enrol("pump-7", as: "old").json["serial"]?.stringValue)
            let new = try #require(try await fixture.enrol("pump-7", as: "new").json["serial"]?.stringValue)
            _ = try await fixture.enrol("pump-7", as: "newer")
            func revoke(_ serial: String, _ reason: String) async throws -> [String] {
                _ = try await fixture.ask(.post, "/v1/devices/pump-7/certificates/\(serial):revoke?reason=\(reason)")
                return try fixture.registry.rows("SELECT device FROM registry.disconnections")
            }
            #expect(try await revoke(old, "superseded") == [])
            #expect(try await revoke(new, "key_compromise") == ["pump-7"])
        }
    }

    private static func startBroker(_ fixture: CertificateFixture) async throws -> (server: MosquittoServer, port: Int) {
        let now = Int64(Date().timeIntervalSince1970)
        let list = try fixture.authority.revocationList([], number: 0, validity: (now - 600)...(now + 3_600))
        try DurableFile.replace(fixture.folder.appendingPathComponent("crl.pem").path, list.pem)
        return try await BrokerIdentityTests.broker(fixture)
    }
}
