import Domain
import Testing
import Wire

@Suite struct TopicsTests {
    @Test func catalogue() {
        #expect(Topics.all.map(\.name) == ["telemetry", "device-events", "dead-letters", "registry.devices", "registry.types"])
        #expect(Topics.all.map(\.schemaID) == [1, 2, 3, 5, 6])
        #expect(Topics.all.map(\.partitions) == [12, 12, 12, 12, 1])
        #expect(Topics.all.map { $0.configuration["cleanup.policy"] } == ["delete", "delete", "delete", "compact", "compact"])
        #expect(Topics.telemetry.configuration["retention.ms"] == "604800000")
    }

    @Test func prefix() {
        #expect(Topics.telemetry.prefixed("test-").name == "test-telemetry")
        #expect(
            Topics.all.map { $0.prefixed("a.").name }
                == ["a.telemetry", "a.device-events", "a.dead-letters", "a.registry.devices", "a.registry.types"])
        #expect(AnyTopic(Topics.deadLetters.prefixed("p")) == AnyTopic(Topics.deadLetters).prefixed("p"))
    }

    @Test func replicasDecideHowManyMustHaveAWrite() {
        #expect(Topics.all[0].configuration(replicationFactor: 1)["min.insync.replicas"] == "1")
        #expect(Topics.all[0].configuration(replicationFactor: 3)["min.insync.replicas"] == "2")
    }

    @Test func keys() throws {
        let batch = try GoldenCases.batch([GoldenCases.sample(.int(1))])
        #expect(Topics.telemetry.key(batch) == Array("device-000000001".utf8))
        func letter(_ identity: String?) -> DeadLetter {
            DeadLetter(payload: [], sourceTopic: "a/b", identity: identity, stage: .decode, reasonCode: "x", text: "", time: .unixEpoch)
        }
        #expect(Topics.deadLetters.key(letter("me")) == Array("me".utf8))
        #expect(Topics.deadLetters.key(letter(nil)) == Array("a/b".utf8))
        #expect(Topics.registryDevices.key(try GoldenCases.deviceRecord()) == Array("pump-7".utf8))
        #expect(Topics.registryTypes.key(try GoldenCases.typeRecord()) == Array("pump".utf8))
    }
}
