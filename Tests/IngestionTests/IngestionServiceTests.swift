import DeviceJSON
import Foundation
import Logging
import MQTTClient
import ServiceKit
import Testing

@testable import Ingestion

@Suite struct IngestionServiceTests {
    @Test func theReadmeIsTrue() async throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Services/Ingestion/README.md")
        let tables = try await ReadmeTables(IngestionService.blueprint)
        #expect(try tables.problems(inFile: path.standardized.path) == [])
    }

    private func build(_ values: [String: String]) throws -> ServiceParts {
        let blueprint = IngestionService.blueprint
        return try blueprint.build(
            ConfigReader(blueprint.table, values: values),
            ServiceContext(name: "ingestion", logger: Logger(label: "test", level: .critical)))
    }

    @Test func everyConnectionIsAServiceOfItsOwn() throws {
        #expect(try build(["mqtt.connections": "3"]).services.map(\.name) == ["devices", "mqtt-0", "mqtt-1", "mqtt-2"])
    }

    @Test(arguments: [
        ["ingest.topics": "telemetry a/b"], ["ingest.topics": "telemetry a/{device},status {x}/{device}"],
        ["mqtt.connections": "2", "mqtt.share-group": "", "mqtt.spread": "messages"], ["mqtt.connections": "9"],
        ["mqtt.spread": "luck"], ["identity.refused": "open"],
    ])
    func faultySettingsStopTheStart(_ values: [String: String]) {
        let error = #expect(throws: ConfigError.self) { try build(values) }
        #expect(error?.problems.count == 1)
    }

    @Test func settingsReachTheClients() throws {
        let configuration = try IngestionConfig(
            ConfigReader(
                IngestionService.blueprint.table,
                values: [
                    "mqtt.client-id": "edge", "mqtt.username": "u", "mqtt.keepalive": "20s", "mqtt.session-expiry": "2h",
                    "mqtt.share-group": "g",
                    "ingest.topics": "status a/{device}", "ingest.maximum-age": "1h",
                ]))
        let mqtt = configuration.mqtt(connection: 4)
        #expect(mqtt.clientID == "edge-4" && mqtt.username == "u" && mqtt.password == nil && mqtt.tls == nil)
        #expect(mqtt.keepAliveSeconds == 20 && mqtt.sessionExpirySeconds == 7_200 && !mqtt.cleanStart && mqtt.receiveMaximum == 2_000)
        #expect(configuration.subscriptions(connection: 0).map(\.filter) == ["$share/g/a/+"])
        #expect(configuration.limits.maximumAge == 3_600_000_000)
    }

    @Test func refusedMessagesAreKeptUnlessTheSettingsSayOtherwise() throws {
        let configuration = { (values: [String: String]) in
            try IngestionConfig(ConfigReader(IngestionService.blueprint.table, values: values))
        }
        let kept = try configuration([:])
        let rejected = try configuration(["identity.refused": "reject"])
        #expect(kept.identity == .known && kept.refused == .deadLetter && rejected.refused == .reject)
    }

    @Test func connectionsDivideTheTopicsOrShareThemAll() throws {
        let configuration = { (spread: String) in
            try IngestionConfig(
                ConfigReader(
                    IngestionService.blueprint.table,
                    values: [
                        "mqtt.connections": "2", "mqtt.spread": spread, "mqtt.share-group": "g",
                        "ingest.topics": "telemetry a/{device},telemetry b/{device},status c/{device}",
                    ]))
        }
        let divided = try configuration("topics")
        #expect(divided.isOrdered)
        #expect(divided.subscriptions(connection: 0).map(\.filter) == ["$share/g/a/+", "$share/g/c/+"])
        #expect(divided.subscriptions(connection: 1).map(\.filter) == ["$share/g/b/+"])
        // An older session may hold what is the other's now.
        let former = divided.formerSubscriptions(connection: 1).map(\.filter)
        #expect(former.filter { $0.hasPrefix("$share/g/") } == ["$share/g/a/+", "$share/g/c/+"])
        // … or plainly, or as the group that was once the default.
        #expect(former.filter { $0.hasSuffix("b/+") } == ["$share/martlet/b/+", "b/+"])
        let shared = try configuration("messages")
        #expect(!shared.isOrdered && shared.formerSubscriptions(connection: 0).allSatisfy { !$0.filter.hasPrefix("$share/g/") })
        #expect((0..<2).allSatisfy { shared.subscriptions(connection: $0).count == 3 })
    }
}
