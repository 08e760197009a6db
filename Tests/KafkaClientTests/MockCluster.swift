import CRdkafka
import KafkaClient
import TestSupport

/// librdkafka's mock cluster inside the test process: a broker that fails on command.
// @unchecked Sendable: the mock cluster does its work on a thread of its own and takes commands from any.
final class MockCluster: @unchecked Sendable {
    /// Numbers of the Kafka protocol.
    enum Request: Int16 {
        case produce = 0
        case fetch = 1
        case listOffsets = 2
        case metadata = 3
        case offsetCommit = 8
        case findCoordinator = 10
        case joinGroup = 11
        case heartbeat = 12
        case syncGroup = 14
        case initProducerID = 22
    }

    private let client: OpaquePointer
    let cluster: OpaquePointer
    let bootstrap: String

    init(brokers: Int32 = 1, topics: [String: Int32] = [:]) throws {
        let configuration = rd_kafka_conf_new()
        rd_kafka_conf_set(configuration, "log_level", "3", nil, 0)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0), let cluster = rd_kafka_mock_cluster_new(client, brokers)
        else { throw SupportError("no mock cluster") }
        self.client = client
        self.cluster = cluster
        bootstrap = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
        for (name, partitions) in topics { rd_kafka_mock_topic_create(cluster, name, partitions, 1) }
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    /// The next requests of this kind fail so, one after the other.
    func fail(_ request: Request, with codes: [rd_kafka_resp_err_t]) {
        rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, codes.count, codes)
    }

    func clearFailures(of request: Request) { rd_kafka_mock_clear_request_errors(cluster, request.rawValue) }

    func setDown() { rd_kafka_mock_broker_set_down(cluster, -1) }
    func setUp() { rd_kafka_mock_broker_set_up(cluster, -1) }
    func setRoundTrip(milliseconds: Int32) { rd_kafka_mock_broker_set_rtt(cluster, -1, milliseconds) }
    func disable(_ request: Request) { rd_kafka_mock_set_apiversion(cluster, request.rawValue, -1, -1) }

    func configuration(_ client: String = "test", extra: [String: String] = [:]) -> KafkaConfiguration {
        var all = ["fetch.wait.max.ms": "10", "log_level": "0"]
        all.merge(extra) { $1 }
        return KafkaConfiguration(
            bootstrap: bootstrap, clientID: client, sessionTimeout: .seconds(6), statisticsInterval: .zero, extra: all)
    }
}

extension KafkaProducer {
    /// Hands over `text` with `tag`; key and value are the same.
    func enqueue(_ text: String, to topic: String, tag: UInt64) throws(KafkaError) {
        try enqueueBytes(Array(text.utf8), to: topic, tag: tag)
    }

    func enqueueBytes(_ bytes: [UInt8], to topic: String, tag: UInt64) throws(KafkaError) {
        let result: Result<Void, KafkaError> = bytes.withUnsafeBytes { bytes in
            do throws(KafkaError) {
                return .success(try enqueue(topic: topic, key: bytes, value: bytes, tag: tag))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Drains until `count` reports came or the time is over.
    func reports(_ count: Int, within limit: Duration = .seconds(20)) throws(KafkaError) -> [UInt64: KafkaError?] {
        var reports: [UInt64: KafkaError?] = [:]
        let deadline = ContinuousClock.now + limit
        while reports.count < count, ContinuousClock.now < deadline {
            try drainDeliveries(timeout: .milliseconds(50)) { tag, error in reports.updateValue(error, forKey: tag) }
        }
        return reports
    }

    /// Tags of the records that are stored, once `count` reports came.
    func delivered(_ count: Int) throws(KafkaError) -> [UInt64] {
        try reports(count).filter { $0.value == nil }.keys.sorted()
    }
}

/// A sink's memory of offsets, and of what the consumer told it.
final class RecordingOwner: PartitionOwner {
    enum Event: Equatable {
        case assigned([TopicPartition])
        case revoked([TopicPartition], lost: Bool)
    }

    struct Refusal: Error, Equatable {
        let text: String
    }

    var next: [TopicPartition: Int64] = [:]
    var events: [Event] = []
    /// Thrown by the coming assignments, one after the other.
    var refusals: [Refusal] = []

    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
        events.append(.assigned(partitions.sorted()))
        if !refusals.isEmpty { throw refusals.removeFirst() }
        return next.filter { partitions.contains($0.key) }
    }

    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool) { events.append(.revoked(partitions.sorted(), lost: lost)) }
}

extension KafkaConsumer {
    /// Polls until `count` records came or the time is over; texts in order of arrival.
    func texts(_ count: Int, within limit: Duration = .seconds(20)) throws -> [String] {
        var texts: [String] = []
        let deadline = ContinuousClock.now + limit
        while texts.count < count, ContinuousClock.now < deadline {
            try poll(max: count - texts.count, timeout: .milliseconds(200)) { texts.append(String(decoding: $0.value, as: UTF8.self)) }
        }
        return texts
    }

    /// Polls until it throws a `KafkaError`, or the time is over.
    func firstError(within limit: Duration = .seconds(20)) throws -> KafkaError? {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            do {
                try poll(max: 100, timeout: .milliseconds(100)) { _ in }
            } catch let error as KafkaError {
                return error
            }
        }
        return nil
    }
}
