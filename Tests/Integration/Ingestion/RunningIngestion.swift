import Domain
import Foundation
import FoundationNetworking
import Ingestion
import KafkaClient
import Logging
import ServiceKit
import Synchronization
import TestSupport
import Wire

/// Ingestion in this process, between a Mosquitto and a Kafka, with topics of its own.
final class RunningIngestion: Sendable {
    let httpPort: Int
    let prefix: String
    let bootstrap: String
    let log: LogRecord
    private let shutdown: ShutdownSignal
    private let exit: Task<Int32, Never>

    init(
        mqttPort: Int, bootstrap: String, prefix: String, clientID: String? = nil, identity: String = "open", settings: [String] = []
    ) async throws {
        self.prefix = prefix
        self.bootstrap = bootstrap
        let log = LogRecord()
        let shutdown = ShutdownSignal()
        let port = Mutex<Int?>(nil)
        let startup = ServiceStartup(
            IngestionService.blueprint,
            arguments: [
                "--mqtt.port", "\(mqttPort)", "--kafka.bootstrap", bootstrap, "--kafka.topic-prefix", prefix, "--http.port", "0", "--auth",
                "off",
                "--mqtt.client-id", clientID ?? "ingestion-\(prefix)", "--log.level", "debug",
                "--identity", identity,
            ] + settings, sink: .recording(into: log))
        self.log = log
        self.shutdown = shutdown
        exit = Task {
            await startup.run(until: shutdown) { number in port.withLock { $0 = number } }
        }
        try await eventually("ingestion opens its port; log: \(log.lines)") { port.withLock { $0 } != nil }
        httpPort = port.withLock { $0 } ?? 0
    }

    /// One connection's entry of `/v1/sources`.
    struct Source: Decodable, Sendable {
        var state: String
        var ordered: Bool
        var filters: [String]
        var received: Int
        var produced: Int
        var rejected: Int
        var returned: Int
        var inFlight: Int
        var reconnects: Int
        var lastError: String?
    }

    func source() async throws -> Source { try await sources()[0] }

    func sources() async throws -> [Source] {
        struct Answer: Decodable { var sources: [Source] }
        guard let url = URL(string: "http://127.0.0.1:\(httpPort)/v1/sources") else { throw SupportError("URL") }
        let (data, _) = try await URLSession.shared.data(from: url)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: data).sources
    }

    func metrics() async throws -> [String: Double] {
        guard let url = URL(string: "http://127.0.0.1:\(httpPort)/metrics") else { throw SupportError("URL") }
        let (data, _) = try await URLSession.shared.data(from: url)
        var values: [String: Double] = [:]
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return values
    }

    /// Answer of `/readyz`.
    func readiness() async throws -> (status: Int, body: String) {
        guard let url = URL(string: "http://127.0.0.1:\(httpPort)/readyz") else { throw SupportError("URL") }
        let (data, response) = try await URLSession.shared.data(from: url)
        return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
    }

    func waitUntilSubscribed() async throws {
        try await eventually("ingestion is subscribed; log: \(log.lines.suffix(5))") {
            try await self.sources().allSatisfy { $0.state == "subscribed" }
        }
    }

    /// As SIGTERM does.
    /// - Returns: the exit code.
    @discardableResult
    func stop() async -> Int32 {
        shutdown.request()
        return await exit.value
    }

    func records<Message: WireMessage>(of topic: Topic<Message>, atLeast count: Int, within seconds: Double = 60) async throws -> [Message]
    {
        try await consume(topic.prefixed(prefix).name, bootstrap: bootstrap, atLeast: count, within: seconds) { bytes in
            try Message(decoding: bytes)
        }
    }
}

/// Starts Mosquitto, Kafka topics and ingestion around `body`, and stops ingestion afterwards.
func withIngestion<R>(
    settings: [String] = [], identity: String = "open", logsPackets: Bool = true,
    _ body: (RunningIngestion, MosquittoServer) async throws -> R
) async throws -> R {
    try await withKafka(own: false, topics: [:]) { bootstrap, kafka in
        let prefix = uniqueName("ingest") + "-"
        try await makeTopics(bootstrap, prefix)
        return try await withMosquitto(logsPackets: logsPackets) { broker in
            let ingestion = try await RunningIngestion(
                mqttPort: broker.port, bootstrap: bootstrap, prefix: prefix, identity: identity, settings: settings)
            do {
                try await ingestion.waitUntilSubscribed()
                let result = try await body(ingestion, broker)
                await ingestion.stop()
                return result
            } catch {
                await ingestion.stop()
                throw error
            }
        }
    }
}

func makeTopics(_ bootstrap: String, _ prefix: String) async throws {
    let admin = try KafkaAdmin(KafkaConfiguration(bootstrap: bootstrap, clientID: "test"))
    try await admin.createTopics(Topics.all.map { $0.prefixed(prefix) }, replicationFactor: 1)
}

/// Reads a topic from its beginning until `count` records have come and nothing is left.
func consume<R: Sendable>(
    _ topic: String, bootstrap: String, atLeast count: Int, within seconds: Double = 60,
    _ decode: @escaping @Sendable (UnsafeRawBufferPointer) throws -> R
) async throws -> [R] {
    try await runOnDedicatedThread(name: "consume") { _ in
        let consumer = try KafkaConsumer(
            KafkaConfiguration(bootstrap: bootstrap, clientID: "test", extra: ["fetch.wait.max.ms": "50"]), group: uniqueName("reader"),
            topics: [topic], owner: FromTheStart())
        defer { consumer.close() }
        var records: [R] = []
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let polled = try consumer.poll(max: 10_000, timeout: .milliseconds(200)) { records.append(try decode($0.value)) }
            let lag = consumer.lag()
            if polled == 0, records.count >= count, lag.count == 12, lag.values.allSatisfy({ $0 == 0 }) { return records }
            guard ContinuousClock.now < deadline else {
                throw SupportError("\(records.count) of \(count) records in \(topic) within \(seconds) s; lag \(lag)")
            }
        }
    }
}

private final class FromTheStart: PartitionOwner {
    func partitionsAssigned(_ partitions: [TopicPartition]) -> [TopicPartition: Int64] { [:] }
    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool) {}
}
