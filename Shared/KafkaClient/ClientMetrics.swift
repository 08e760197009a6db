internal import Metrics

/// What one client shows in `/metrics`. Registered at its start, so that the names are there before Kafka is.
struct ClientMetrics: Sendable {
    private let registry: MetricsRegistry
    private let queuedMessages: Gauge
    private let queuedBytes: Gauge
    private let brokersUp: Gauge
    private let roundTrip: Gauge

    init(_ registry: MetricsRegistry, client: String) {
        self.registry = registry
        let labels = ["client": client]
        queuedMessages = registry.gauge(
            "iot_kafka_queue_messages", help: "Records handed to the Kafka client that no broker has acknowledged yet.", labels: labels)
        queuedBytes = registry.gauge("iot_kafka_queue_bytes", help: "Bytes of the records in iot_kafka_queue_messages.", labels: labels)
        brokersUp = registry.gauge("iot_kafka_brokers_up", help: "Kafka brokers this client is connected to.", labels: labels)
        roundTrip = registry.gauge(
            "iot_kafka_broker_rtt_seconds", help: "Average time of a request to the slowest broker in the last interval.", labels: labels)
    }

    func update(_ statistics: KafkaStatistics) {
        queuedMessages.set(Double(statistics.queuedMessages))
        queuedBytes.set(Double(statistics.queuedBytes))
        brokersUp.set(Double(statistics.brokersUp))
        roundTrip.set(Double(statistics.roundTripMicroseconds) / 1_000_000)
    }

    /// - Parameter lag: nil when the partition is not consumed here any more.
    func set(lag: Int64?, of partition: TopicPartition) {
        registry.gauge(
            "iot_consumer_lag_records", help: "Records in the log that this consumer has not taken yet.",
            labels: ["topic": partition.topic, "partition": "\(partition.partition)"]
        ).set(Double(lag ?? 0))
    }
}
