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

/// What presence counts in this replica.
struct PresenceMetrics: Sendable {
    let records: Counter
    let unreadable: Counter
    let age: Gauge
    let failures: Counter
    let registered: Counter
    let refused: Counter
    private let changes: [DeviceStatus: Counter]

    init(_ registry: MetricsRegistry) {
        records = registry.counter("iot_registry_presence_records_total", help: "Records looked through for signs of devices.")
        unreadable = registry.counter(
            "iot_registry_presence_unreadable_total", help: "Records without a device's id, or that are no device event; passed over.")
        age = registry.gauge(
            "iot_registry_presence_age_seconds",
            help: "How old presence is in the partition that is read least far; silence is judged as of then. 0 without partitions.")
        failures = registry.counter(
            "iot_registry_presence_failures_total", help: "Failures of reading or writing presence; it is tried again, nothing is lost.")
        registered = registry.counter("iot_registry_auto_registered_total", help: "Devices registered because they were heard.")
        refused = registry.counter(
            "iot_registry_auto_register_refused_total", help: "Times an unknown device was not registered because too many came at once.")
        changes = Dictionary(
            uniqueKeysWithValues: DeviceStatus.allCases.map { status in
                (
                    status,
                    registry.counter(
                        "iot_registry_presence_changes_total", help: "Changes of status or session, by the status that they led to.",
                        labels: ["status": status.rawValue])
                )
            })
    }

    func changed(to status: DeviceStatus, _ count: Int) { changes[status]?.increment(by: UInt64(count)) }
    func changes(to status: DeviceStatus) -> UInt64 { changes[status]?.value ?? 0 }
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
