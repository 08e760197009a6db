import Logging
import Metrics
import TestSupport
import Testing

@testable import KafkaClient

@Suite(.blockingThreads, .timeLimit(.minutes(1)))
struct StatisticsTests {
    @Test func readsTheFieldsWeUse() throws {
        let json = """
            {"name":"c#producer-1","msg_cnt":7,"msg_size":700,"txmsgs":5,"rxmsgs":6,"other":{"deep":[1,2]},"brokers":{
            "a:1/1":{"state":"UP","rtt":{"avg":1500,"p99":9}},"a:2/2":{"state":"DOWN","rtt":{"avg":90}},"x":{"state":"INIT"}}}
            """
        let statistics = try #require(Array(json.utf8).withUnsafeBytes { KafkaStatistics(json: $0) })
        #expect(statistics.queuedMessages == 7 && statistics.queuedBytes == 700)
        #expect(statistics.transmittedMessages == 5 && statistics.receivedMessages == 6)
        #expect(statistics.brokersUp == 1 && statistics.roundTripMicroseconds == 1500)
    }

    @Test func oddStatisticsAreIgnored() {
        for json in ["", "{", "[]", "{\"msg_cnt\":\"x\"}"] {
            #expect(Array(json.utf8).withUnsafeBytes { KafkaStatistics(json: $0) } == nil)
        }
    }

    @Test func producersQueueAndBrokersBecomeMetrics() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let metrics = MetricsRegistry()
        var configuration = mock.configuration("probe")
        configuration.statisticsInterval = .milliseconds(50)
        let producer = try KafkaProducer(configuration, metrics: metrics)
        let labels = ["client": "probe"]
        let brokers = metrics.gauge("iot_kafka_brokers_up", help: "", labels: labels)
        let queue = metrics.gauge("iot_kafka_queue_messages", help: "", labels: labels)
        try producer.enqueue("x", to: "t", tag: 1)
        var rounds = 0
        while brokers.value != 1, rounds < 400 {
            rounds += 1
            try producer.drainDeliveries(timeout: .milliseconds(50)) { _, _ in }
        }
        #expect(brokers.value == 1)
        #expect(metrics.gauge("iot_kafka_broker_rtt_seconds", help: "", labels: labels).value >= 0)
        mock.setDown()
        for tag in UInt64(2)..<5 { try producer.enqueue("x", to: "t", tag: tag) }
        rounds = 0
        while queue.value != 3 || brokers.value != 0, rounds < 400 {
            rounds += 1
            try producer.drainDeliveries(timeout: .milliseconds(50)) { _, _ in }
        }
        #expect(queue.value == 3)
        #expect(brokers.value == 0)
    }

    @Test func consumersLagBecomesAMetricAndEndsWithThePartition() throws {
        let mock = try MockCluster(topics: ["t": 1])
        let producer = try KafkaProducer(mock.configuration())
        for tag in UInt64(0)..<500 { try producer.enqueue("x", to: "t", tag: tag) }
        _ = try producer.reports(500)
        let metrics = MetricsRegistry()
        var configuration = mock.configuration("probe")
        configuration.statisticsInterval = .milliseconds(50)
        let consumer = try KafkaConsumer(configuration, group: "g", topics: ["t"], owner: RecordingOwner(), metrics: metrics)
        let lag = metrics.gauge("iot_consumer_lag_records", help: "", labels: ["topic": "t", "partition": "0"])
        // One record at a time, from the start again when the end is near: the lag stays between 100 and 500 until it is shown.
        var rounds = 0
        while lag.value == 0, rounds < 1_000_000 {
            rounds += 1
            _ = try consumer.texts(1)
            if let (partition, position) = consumer.positions().first, position >= 400 { try consumer.restart(at: [partition: 0]) }
        }
        #expect(lag.value >= 100 && lag.value <= 500)
        consumer.close()
        #expect(lag.value == 0)
    }

    @Test func logLinesOfTheLibraryBecomeOurs() throws {
        let collected = LogRecord()
        let port = try freePort()
        let producer = try KafkaProducer(
            KafkaConfiguration(bootstrap: "127.0.0.1:\(port)", clientID: "talker", statisticsInterval: .zero),
            logger: Logger(label: "kafka", level: .debug, sink: .recording(into: collected)))
        try producer.enqueue("x", to: "t", tag: 1)
        var rounds = 0
        while !collected.lines.joined().contains("Connection refused"), rounds < 200 {
            rounds += 1
            try producer.drainDeliveries(timeout: .milliseconds(50)) { _, _ in }
        }
        #expect(collected.lines.joined().contains("Connection refused"))
        #expect(collected.lines.joined().contains("\"client\":\"talker\""))
        #expect(collected.lines.joined().contains("\"facility\""))
    }
}
