import Foundation

/// Every metric that a dashboard or an alert may ask for.
public enum MetricCatalogue {
    /// Come into being when a service runs: with its Kafka client, its listener, its first refused request. They are not in the READMEs'
    /// tables; `Tests/EndToEnd` holds this list against running services.
    public static let ofRunningServices: [String: ExportedMetric] = [
        "iot_consumer_lag_records": ExportedMetric(.gauge, labels: ["topic", "partition"]),
        "iot_http_connections": ExportedMetric(.gauge),
        "iot_http_denied_total": ExportedMetric(.counter, labels: ["reason"]),
        "iot_http_refused_total": ExportedMetric(.counter, labels: ["reason"]),
        "iot_kafka_broker_rtt_seconds": ExportedMetric(.gauge, labels: ["client"]),
        "iot_kafka_brokers_up": ExportedMetric(.gauge, labels: ["client"]),
        "iot_kafka_queue_bytes": ExportedMetric(.gauge, labels: ["client"]),
        "iot_kafka_queue_messages": ExportedMetric(.gauge, labels: ["client"]),
    ]

    /// Prometheus' own, node-exporter's and the kubelet's, with those of their labels that are used.
    public static let ofOthers: [String: ExportedMetric] = [
        "up": ExportedMetric(.gauge),
        "ALERTS": ExportedMetric(.gauge, labels: ["alertname", "alertstate", "severity"]),
        "node_filesystem_avail_bytes": ExportedMetric(.gauge, labels: ["device", "fstype", "mountpoint"]),
        "node_filesystem_size_bytes": ExportedMetric(.gauge, labels: ["device", "fstype", "mountpoint"]),
        "kubelet_volume_stats_available_bytes": ExportedMetric(.gauge, labels: ["namespace", "persistentvolumeclaim"]),
        "kubelet_volume_stats_capacity_bytes": ExportedMetric(.gauge, labels: ["namespace", "persistentvolumeclaim"]),
    ]

    /// The generated table of a service's README: rows of the form ``| `name` | kind | `label`, … | meaning |``.
    public static func table(inReadme text: String) -> [String: ExportedMetric] {
        let block = text.components(separatedBy: "<!-- generated: metrics -->").dropFirst().first ?? ""
        let rows = block.components(separatedBy: "<!-- /generated -->").first ?? ""
        return rows.split(separator: "\n").reduce(into: [:]) { found, line in
            let cells = line.split(separator: "|").map { $0.filter { $0 != "`" && $0 != " " } }
            guard cells.count == 4, let kind = ExportedMetric.Kind(rawValue: cells[1]) else { return }
            found[cells[0]] = ExportedMetric(kind, labels: Set(cells[2].split(separator: ",").map(String.init)))
        }
    }

    /// Several services' tables as one: of a metric that two of them have, the labels that both have.
    public static func merged(_ tables: [[String: ExportedMetric]]) -> [String: ExportedMetric] {
        tables.reduce(into: [:]) { all, table in
            all.merge(table) { ExportedMetric($0.kind, labels: $0.labels.intersection($1.labels)) }
        }
    }
}

/// What an answer in the Prometheus text format holds: kinds, labels, and which values each label has.
public struct ScrapedMetrics: Sendable {
    public private(set) var metrics: [String: ExportedMetric] = [:]
    /// Values by metric name as exposed (`…_bucket`) and label.
    public private(set) var values: [String: [String: Set<String>]] = [:]

    public init(_ text: String) {
        var kinds: [String: ExportedMetric.Kind] = [:]
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                if words.count == 4 { kinds[String(words[2])] = ExportedMetric.Kind(rawValue: String(words[3])) }
            } else if !line.hasPrefix("#") {
                add(sample: line)
            }
        }
        for (name, kind) in kinds {
            let exposed = kind == .histogram ? "\(name)_count" : name
            metrics[name] = ExportedMetric(kind, labels: Set((values[exposed] ?? [:]).keys))
        }
    }

    private mutating func add(sample line: Substring) {
        let name = String(line.prefix { $0 != "{" && $0 != " " })
        var labels = values[name] ?? [:]
        for match in line.matches(of: /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/) {
            labels[String(match.output.1), default: []].insert(String(match.output.2))
        }
        values[name] = labels
    }

    /// A metric of several replicas or services.
    public mutating func merge(_ other: ScrapedMetrics) {
        metrics.merge(other.metrics) { ExportedMetric($0.kind, labels: $0.labels.intersection($1.labels)) }
        values.merge(other.values) { $0.merging($1) { $0.union($1) } }
    }
}
