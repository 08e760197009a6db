public import Metrics

/// What shows how far a directory can be relied on.
public struct DirectoryMetrics: Sendable {
    let records: Counter
    let unreadable: Counter
    let rounds: Counter
    let types: Gauge

    public init(_ registry: MetricsRegistry, _ directory: DeviceDirectory) {
        records = registry.counter("iot_directory_records_total", help: "Records of the registry's topics that have been read.")
        unreadable = registry.counter(
            "iot_directory_unreadable_total", help: "Records of the registry's topics that could not be read; their devices are refused.")
        rounds = registry.counter("iot_directory_rounds_total", help: "How often the registry's topics were read from their beginning.")
        types = registry.gauge("iot_directory_types", help: "Device types that the registry has described.")
        registry.gaugeFunction("iot_directory_devices", help: "Devices that the registry has told of.") { Double(directory.count) }
        registry.gaugeFunction("iot_directory_current", help: "1 when all devices of the registry are known here, else 0.") {
            directory.isCurrent ? 1 : 0
        }
    }
}
