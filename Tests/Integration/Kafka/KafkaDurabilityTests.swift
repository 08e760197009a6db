import Foundation
import KafkaClient
import Synchronization
import TestSupport
import Testing

/// Kafka killed with SIGKILL and started again under load: nothing that was acknowledged is lost, and the sink has everything once.
@Suite(.serialized, .blockingThreads, .requiresOwnKafka, .timeLimit(.minutes(5)))
struct KafkaDurabilityTests {
    @Test func nothingAcknowledgedIsLostWhenTheBrokerIsKilledUnderLoad() async throws {
        try await withKafka(own: true) { bootstrap, broker in
            let topic = uniqueName("kills")
            try await KafkaAdmin(kafkaConfiguration(bootstrap)).createTopics([.init(name: topic, partitions: 12)])
            let ledger = Ledger()
            let sink = CountingSink()
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try LoadGenerator(bootstrap, topic, ledger).run() }
                tasks.addTask {
                    let owner = SinkOwner(sink)
                    let consumer = try KafkaConsumer(kafkaConfiguration(bootstrap), group: uniqueName("g"), topics: [topic], owner: owner)
                    try consume(owner, consumer, within: 150) { ledger.isComplete && sink.count >= ledger.acknowledgedCount }
                }
                tasks.addTask {
                    // Ends the load on every way out; a failure here would keep the others going for ever.
                    defer { ledger.finish() }
                    var random = SeededRandom(seed: 20_260_731)
                    for kill in 1...3 {
                        let goal = ledger.acknowledgedCount + Int.random(in: 1_000...8_000, using: &random)
                        try await eventually("\(goal) records are acknowledged before kill \(kill)", within: 60) {
                            ledger.acknowledgedCount >= goal
                        }
                        try await broker.kill()
                        try await broker.restart()
                    }
                    let goal = ledger.acknowledgedCount + 2_000
                    try await eventually("the load goes on after the last kill", within: 60) { ledger.acknowledgedCount >= goal }
                }
                try await tasks.waitForAll()
            }
            let lost = ledger.acknowledged.filter { !sink.contains("r\($0)") }
            #expect(lost == [], "acknowledged and lost")
            #expect(sink.doubled.count <= ledger.sentAgain, "only what a rebuilt producer sent again may be in the log twice")
            #expect(ledger.acknowledgedCount > 5_000)
            print(
                "kills 3, sent \(ledger.sentCount), acknowledged \(ledger.acknowledgedCount), lost \(lost.count), "
                    + "doubled in the log \(sink.doubled.count), producers rebuilt \(ledger.rebuilt)")
        }
    }

    @Test func brokerThatIsStoppedCleanlyAndStaysAwayHoldsNobodyUp() async throws {
        try await withKafka(own: true) { bootstrap, broker in
            let topic = uniqueName("away")
            let admin = try KafkaAdmin(kafkaConfiguration(bootstrap))
            try await admin.createTopics([.init(name: topic, partitions: 1)])
            let producer = try KafkaProducer(kafkaConfiguration(bootstrap))
            try producer.store(["before"], in: topic)
            try await broker.stop()
            #expect(await !admin.isReachable(timeout: .milliseconds(500)))
            var reports: [UInt64] = []
            let handle = try producer.handle(forTopic: topic)
            try [UInt8]("during".utf8).withUnsafeBytes { try producer.enqueue(to: handle, key: $0, value: $0, tag: 9) }
            try producer.drainDeliveries(timeout: .milliseconds(500)) { tag, _ in reports.append(tag) }
            #expect(reports == [])
            #expect(producer.outstanding == 1)
            try await broker.restart()
            #expect(producer.flush(timeout: .seconds(30)) { tag, error in if error == nil { reports.append(tag) } })
            #expect(reports == [9])
        }
    }
}

/// What was sent and what was acknowledged.
private final class Ledger: Sendable {
    private struct Content: Sendable {
        var acknowledged: Set<Int> = []
        var sent = 0
        var sentAgain = 0
        var rebuilt = 0
        var isFinishing = false
        var isComplete = false
    }

    private let content = Mutex(Content())

    var acknowledged: Set<Int> { content.withLock { $0.acknowledged } }
    var acknowledgedCount: Int { content.withLock { $0.acknowledged.count } }
    var sentCount: Int { content.withLock { $0.sent } }
    var sentAgain: Int { content.withLock { $0.sentAgain } }
    var rebuilt: Int { content.withLock { $0.rebuilt } }
    var isFinishing: Bool { content.withLock { $0.isFinishing } }
    var isComplete: Bool { content.withLock { $0.isComplete } }

    func acknowledge(_ number: Int) { content.withLock { _ = $0.acknowledged.insert(number) } }
    func nextNumber() -> Int {
        content.withLock {
            $0.sent += 1
            return $0.sent
        }
    }
    func noteRebuild(resending count: Int) {
        content.withLock {
            $0.rebuilt += 1
            $0.sentAgain += count
        }
    }
    func noteResend() { content.withLock { $0.sentAgain += 1 } }
    func finish() { content.withLock { $0.isFinishing = true } }
    func complete() { content.withLock { $0.isComplete = true } }
}

/// Produces as ingestion does: bounded in flight, unacknowledged records kept and sent again, a fatal producer rebuilt.
private struct LoadGenerator {
    let configuration: KafkaConfiguration
    let topic: String
    let ledger: Ledger

    init(_ bootstrap: String, _ topic: String, _ ledger: Ledger) {
        configuration = kafkaConfiguration(bootstrap, client: "load")
        self.topic = topic
        self.ledger = ledger
    }

    func run() throws {
        defer { ledger.complete() }
        var producer = try KafkaProducer(configuration)
        var open: Set<Int> = []
        while !ledger.isFinishing || !open.isEmpty {
            do throws(KafkaError) {
                while open.count < 2_000, !ledger.isFinishing {
                    let number = ledger.nextNumber()
                    open.insert(number)
                    try enqueue(number, producer)
                }
                var again: [Int] = []
                try producer.drainDeliveries(timeout: .milliseconds(20)) { tag, error in
                    if error == nil {
                        open.remove(Int(tag))
                        ledger.acknowledge(Int(tag))
                    } else {
                        again.append(Int(tag))
                    }
                }
                for number in again {
                    ledger.noteResend()
                    try enqueue(number, producer)
                }
            } catch {
                guard error.isFatal else { throw error }
                producer.close()
                producer = try KafkaProducer(configuration)
                ledger.noteRebuild(resending: open.count)
                for number in open { try enqueue(number, producer) }
            }
        }
    }

    private func enqueue(_ number: Int, _ producer: KafkaProducer) throws(KafkaError) {
        let bytes = Array("r\(number)".utf8)
        let result: Result<Void, KafkaError> = bytes.withUnsafeBytes { bytes in
            do throws(KafkaError) {
                return .success(try producer.enqueue(topic: topic, key: bytes, value: bytes, tag: UInt64(number)))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
