import CRdkafka
import KafkaClient
import TestSupport
import Testing

@Suite(.blockingThreads, .timeLimit(.minutes(2)))
struct ReaderTests {
    /// A topic `t` of three partitions that holds `0`, `1`, … spread by key.
    private func filled(_ count: Int) throws -> MockCluster {
        let mock = try MockCluster(topics: ["t": 3])
        try fill(mock, 0..<count)
        return mock
    }

    private func fill(_ mock: MockCluster, _ range: Range<Int>) throws {
        let producer = try KafkaProducer(mock.configuration())
        for index in range { try producer.enqueue("\(index)", to: "t", tag: UInt64(index)) }
        try #require(try producer.reports(range.count).values.allSatisfy { $0 == nil })
    }

    private func read(_ reader: KafkaReader, _ count: Int) throws -> [String] {
        var texts: [String] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while texts.count < count, ContinuousClock.now < deadline {
            _ = try reader.poll(timeout: .milliseconds(50)) { record in texts.append(String(decoding: record.value, as: UTF8.self)) }
        }
        return texts
    }

    private func offsets(_ mock: MockCluster) throws -> [Int64] {
        try KafkaReader(mock.configuration(), topic: "t", from: .end).ends.sorted { $0.key < $1.key }.map(\.value)
    }

    @Test func readsEveryPartitionFromTheBeginningAndKnowsWhenItHasAll() throws {
        let mock = try filled(100)
        let reader = try KafkaReader(mock.configuration(), topic: "t", from: .beginning)
        #expect(reader.ends.count == 3)
        #expect(reader.ends.values.reduce(0, +) == 100)
        #expect(!reader.hasReachedEnd)
        #expect(try Set(read(reader, 100)) == Set((0..<100).map(String.init)))
        #expect(reader.hasReachedEnd)
    }

    @Test func fromTheEndOnlyWhatComesLaterIsRead() throws {
        let mock = try filled(50)
        let reader = try KafkaReader(mock.configuration(), topic: "t", from: .end)
        #expect(reader.hasReachedEnd)
        try fill(mock, 50..<60)
        #expect(try Set(read(reader, 10)) == Set((50..<60).map(String.init)))
    }

    @Test func offsetsAreMovedIntoTheLog() throws {
        let mock = try filled(90)
        let ends = try offsets(mock)
        let last = try KafkaReader(mock.configuration(), topic: "t", from: .last(5))
        #expect(try read(last, 15).count == 15)
        #expect(last.hasReachedEnd)
        let beyond = try KafkaReader(mock.configuration(), topic: "t", from: .offset(1_000))
        #expect(beyond.hasReachedEnd)
        let from = try KafkaReader(mock.configuration(), topic: "t", from: .offset(10))
        let expected = ends.reduce(0) { $0 + Int(max(0, $1 - 10)) }
        #expect(try read(from, expected).count == expected)
        #expect(from.hasReachedEnd)
    }

    @Test func anErrorOfTheBodyComesOut() throws {
        let mock = try filled(3)
        let reader = try KafkaReader(mock.configuration(), topic: "t", from: .beginning)
        #expect(throws: SupportError.self) {
            while !reader.hasReachedEnd { _ = try reader.poll(timeout: .milliseconds(50)) { _ in throw SupportError("mine") } }
        }
    }

    @Test func aBrokerThatGoesAwayAndComesBackLosesNothing() throws {
        let mock = try filled(10)
        let reader = try KafkaReader(mock.configuration(), topic: "t", from: .beginning)
        var texts = try read(reader, 5)
        mock.setDown()
        _ = try reader.poll(timeout: .milliseconds(300)) { record in texts.append(String(decoding: record.value, as: UTF8.self)) }
        mock.setUp()
        texts += try read(reader, 10 - texts.count)
        #expect(texts.count == 10)
        #expect(Set(texts).count == 10)
    }

    @Test func noBrokerIsAnErrorThatIsWorthAnotherTry() throws {
        let port = try freePort()
        let configuration = KafkaConfiguration(bootstrap: "127.0.0.1:\(port)", clientID: "test", extra: ["log_level": "0"])
        do {
            _ = try KafkaReader(configuration, topic: "t", from: .beginning, timeout: .milliseconds(500))
            Issue.record("connected to nobody")
        } catch {
            #expect(error.isRetriable, "\(error)")
        }
    }
}
