public import Metrics

/// Every metric of ingestion. The books balance: received = produced + rejected + returned + in flight.
public struct IngestionMetrics: Sendable {
    let received: Counter
    let produced: Counter
    /// In the order of `Rejection.reasonCodes`.
    let rejected: [Counter]
    /// As `rejected`, without the messages that were dropped.
    let deadLetters: [Counter]
    let returned: Counter
    /// Counted by itself, not as what is left over, so that the books can be found wrong.
    let inFlight: Gauge
    let samples: Counter
    let outOfRange: Counter
    let records: Counter
    let events: [String: Counter]
    let reconnects: Counter
    let batchMessages: Histogram
    let gatherSeconds: Histogram
    let readSeconds: Histogram
    let deliverSeconds: Histogram
    let deliverySeconds: Histogram

    public init(_ registry: MetricsRegistry) {
        received = registry.counter(
            "iot_mqtt_messages_received_total", help: "MQTT messages read from the broker, including those delivered again.")
        produced = registry.counter("iot_mqtt_messages_produced_total", help: "MQTT messages whose records Kafka has acknowledged.")
        rejected = Rejection.reasonCodes.map {
            registry.counter(
                "iot_mqtt_messages_rejected_total",
                help: "MQTT messages that Kafka has acknowledged as dead letters, and those dropped with identity.refused = reject.",
                labels: ["reason": $0])
        }
        returned = registry.counter(
            "iot_mqtt_messages_returned_total",
            help: "MQTT messages not acknowledged, because Kafka did not take them: the broker delivers again.")
        deadLetters = Rejection.reasonCodes.map {
            registry.counter("iot_dead_letters_total", help: "Records written to the dead-letter topic.", labels: ["reason": $0])
        }
        samples = registry.counter("iot_device_data_received_total", help: "Samples that Kafka has acknowledged.")
        outOfRange = registry.counter(
            "iot_samples_out_of_range_total",
            help: "Samples marked because the type of their device says so, found while reading; those of messages that come again, too.")
        records = registry.counter(
            "iot_records_produced_total",
            help: "Records that Kafka has acknowledged, of all topics; readings of one device may share one.")
        events = Dictionary(
            uniqueKeysWithValues: ["online", "offline", "error", "other"].map {
                ($0, registry.counter("iot_device_events_total", help: "Device events that Kafka has acknowledged.", labels: ["kind": $0]))
            })
        reconnects = registry.counter("iot_mqtt_reconnects_total", help: "Connections to the MQTT broker that were lost or failed.")
        batchMessages = registry.histogram(
            "iot_mqtt_batch_messages", help: "Messages acknowledged together.", buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000])
        let stage = { (name: String) in
            registry.histogram(
                "iot_ingest_stage_seconds",
                help:
                    "Time of one batch in a stage: gather (from its first message on), read (parse, encode, hand over), deliver (wait for Kafka).",
                labels: ["stage": name], buckets: Histogram.latencyBuckets)
        }
        gatherSeconds = stage("gather")
        readSeconds = stage("read")
        deliverSeconds = stage("deliver")
        deliverySeconds = registry.histogram(
            "iot_kafka_delivery_seconds", help: "From the first record of a batch handed over until Kafka acknowledged its last.",
            buckets: Histogram.latencyBuckets)
        inFlight = registry.gauge(
            "iot_mqtt_messages_in_flight", help: "MQTT messages received whose fate is open: their batch waits for Kafka.")
    }
}
