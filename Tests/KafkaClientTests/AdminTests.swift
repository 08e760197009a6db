import KafkaClient
import TestSupport
import Testing
import Wire

@Suite(.blockingThreads, .timeLimit(.minutes(1)))
struct AdminTests {
    @Test func listsTopicsWithTheirPartitions() async throws {
        let mock = try MockCluster(topics: ["b": 3, "a": 12])
        let topics = try await KafkaAdmin(mock.configuration()).listTopics()
        #expect(topics.map(\.name) == ["a", "b"])
        #expect(topics.map(\.partitions) == [12, 3])
    }

    @Test func brokerWithoutAdminInterfaceIsNamedAsSuch() async throws {
        let mock = try MockCluster()
        let admin = try KafkaAdmin(mock.configuration())
        let error = await #expect(throws: KafkaError.self) {
            try await admin.createTopics(Topics.all, replicationFactor: 1, timeout: .seconds(5))
        }
        #expect(error?.code == .unsupportedFeature, "\(error?.reason ?? "")")
        #expect(error?.reason.contains("telemetry") == true)
        #expect(error?.reason.contains("admin API") == true)
    }

    @Test func reachableOnlyWhileABrokerAnswers() async throws {
        let mock = try MockCluster()
        let admin = try KafkaAdmin(mock.configuration())
        #expect(await admin.isReachable(timeout: .seconds(10)))
        mock.setDown()
        #expect(await !admin.isReachable(timeout: .milliseconds(300)))
        mock.setUp()
        #expect(await admin.isReachable(timeout: .seconds(10)))
    }

    @Test func unreachableBrokerIsNamed() async throws {
        let port = try freePort()
        let admin = try KafkaAdmin(KafkaConfiguration(bootstrap: "127.0.0.1:\(port)", clientID: "test", extra: ["log_level": "0"]))
        let error = await #expect(throws: KafkaError.self) { _ = try await admin.listTopics(timeout: .milliseconds(300)) }
        #expect(error?.isRetriable == true)
        #expect(error?.reason.contains("127.0.0.1:\(port)") == true)
    }

    @Test func impossibleTopicIsRefusedBeforeAsking() async throws {
        let mock = try MockCluster()
        let admin = try KafkaAdmin(mock.configuration())
        let error = await #expect(throws: KafkaError.self) { try await admin.createTopics([.init(name: "t", partitions: 0)]) }
        #expect(error?.code == .invalidArgument)
        #expect(try await admin.createTopics([]) == [])
    }
}
