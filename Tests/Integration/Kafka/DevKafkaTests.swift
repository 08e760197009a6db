import Foundation
import KafkaClient
import TestSupport
import Testing

/// The embedded development broker as others see it: a process of its own.
@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct DevKafkaTests {
    func run(_ arguments: [String], in folder: URL) async throws -> (code: Int32, output: String) {
        let child = try ChildProcess("dev-kafka", try builtProduct("dev-kafka"), arguments, folder: folder)
        try await eventually("dev-kafka \(arguments) ends") { !child.isRunning }
        return (try await child.stop(), child.output())
    }

    @Test func servesItsTopicsAndSaysWhatItCannotDo() async throws {
        let broker = try await KafkaServer(.embedded, topics: ["telemetry": 12, "x": 3])
        let topics = try await KafkaAdmin(kafkaConfiguration(broker.bootstrap)).listTopics()
        #expect(topics.map(\.name) == ["telemetry", "x"] && topics.map(\.partitions) == [12, 3])
        let output = broker.output()
        for word in ["memory only", "5 MiB", "500 KB", "no admin API", "ready:", broker.bootstrap] { #expect(output.contains(word)) }
    }

    @Test func groupsOfSeveralProcessesReadWhatAnotherWrote() async throws {
        let broker = try await KafkaServer(.embedded, topics: ["t": 12])
        let texts = (0..<5_000).map { "r\($0)" }
        try KafkaProducer(kafkaConfiguration(broker.bootstrap)).store(texts, in: "t")
        for group in ["a", "b"] {
            let owner = SinkOwner(CountingSink())
            let consumer = try KafkaConsumer(kafkaConfiguration(broker.bootstrap), group: group, topics: ["t"], owner: owner)
            try consume(owner, consumer) { owner.sink.count == texts.count }
            #expect(owner.sink.doubled == [])
        }
    }

    @Test func readerBehindItsWindowGetsAnIncident() async throws {
        let broker = try await KafkaServer(.embedded, topics: ["t": 1])
        let configuration = kafkaConfiguration(broker.bootstrap)
        let producer = try KafkaProducer(configuration)
        var random = SeededRandom(seed: 3)
        for _ in 0..<80 { try await producer.send(topic: "t", key: [1], value: random.bytes(100_000)) }
        let sink = CountingSink()
        try sink.store(["read before"], of: TopicPartition(topic: "t", partition: 0), from: 0)
        let owner = SinkOwner(sink)
        let consumer = try KafkaConsumer(configuration, group: "g", topics: ["t"], owner: owner)
        let error = #expect(throws: KafkaError.self) { for _ in 0..<200 { try owner.step(consumer) } }
        #expect(error?.code == .offsetReset || error?.code == .offsetOutOfRange)
        #expect(sink.count == 1)
    }

    @Test func endsCleanlyAndStartsAgainOnTheSamePort() async throws {
        try await withTemporaryFolder { folder in
            let port = try freePort()
            for signal in [SIGTERM, SIGINT] {
                let child = try ChildProcess("dev-kafka", try builtProduct("dev-kafka"), ["--port", "\(port)"], folder: folder)
                try await eventually("dev-kafka is ready") { child.output().contains("ready:") }
                // A connected client must not keep it from ending, nor its port from being used again.
                #expect(await (try KafkaAdmin(kafkaConfiguration("127.0.0.1:\(port)"))).isReachable(timeout: .seconds(10)))
                #expect(try await child.stop(signal) == 0)
            }
        }
    }

    @Test func portThatIsTakenIsNamed() async throws {
        let broker = try await KafkaServer(.embedded)
        let port = broker.bootstrap.split(separator: ":")[1]
        try await withTemporaryFolder { folder in
            let (code, output) = try await run(["--port=\(port)"], in: folder)
            #expect(code == 69)
            #expect(output.contains("127.0.0.1:\(port)") && output.contains("--port"))
        }
        #expect(broker.isRunning)
    }

    @Test(
        arguments: [
            ["--port"], ["--port", "65536"], ["--port", "x"], ["--topics", "a"], ["--topics", "a:0"], ["--topics", "a:1001"],
            ["--topics", "a/b:1"], ["--topics", "..:1"], ["--colour"], ["extra"],
        ])
    func wrongCommandLineIsExplained(arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            let (code, output) = try await run(arguments, in: folder)
            #expect(code == 64)
            #expect(output.contains(arguments.last ?? ""))
        }
    }

    @Test func helpTeachesByExample() async throws {
        try await withTemporaryFolder { folder in
            let (code, output) = try await run(["--help"], in: folder)
            #expect(code == 0)
            for word in ["EXAMPLES", "--port", "--topics", "kcat"] { #expect(output.contains(word)) }
        }
    }
}
