import Metrics
import Synchronization

/// What publishing counts. Only the elected replica's numbers move.
struct OutboxMetrics: Sendable {
    let isLeader: Gauge
    let entries: Gauge
    let age: Gauge
    let published: Counter
    let failures: Counter
    let untold: Counter

    init(_ registry: MetricsRegistry) {
        isLeader = registry.gauge("iot_registry_publisher_leader", help: "1 in the replica that publishes.")
        entries = registry.gauge(
            "iot_registry_outbox_entries", help: "Changes that the topics do not tell yet; counted up to 100,000.")
        age = registry.gauge("iot_registry_outbox_age_seconds", help: "How long the oldest of them has waited.")
        published = registry.counter("iot_registry_published_total", help: "Devices and types told to the topics, repeats included.")
        untold = registry.counter(
            "iot_registry_untold_total", help: "Rows that no record can hold, because they were made by hand; the log names them.")
        failures = registry.counter(
            "iot_registry_publish_failures_total", help: "Batches that failed and are told again; nothing is lost.")
    }
}

/// Devices by status and type, as the elected replica last read them; 0 in the others. Labels are bounded by the registry of metrics.
final class DeviceGauges: Sendable {
    private struct Labels: Hashable {
        let type: String
        let status: String
    }

    private let registry: MetricsRegistry
    private let gauges = Mutex<[Labels: Gauge]>([:])

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        set(DeviceStatus.allCases.map { StatusCount(type: "sensor", status: $0.rawValue, count: 0) })
    }

    /// Replaces all numbers: what is not named has none.
    func set(_ counts: [StatusCount]) {
        gauges.withLock { gauges in
            var left = gauges
            for count in counts {
                let labels = Labels(type: count.type, status: count.status)
                let gauge =
                    gauges[labels]
                    ?? registry.gauge(
                        "iot_device_total", help: "Devices by status and type, without deleted ones.",
                        labels: ["status": count.status, "type": count.type])
                gauges[labels] = gauge
                gauge.set(Double(count.count))
                left[labels] = nil
            }
            for gauge in left.values { gauge.set(0) }
        }
    }
}
