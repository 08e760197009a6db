import Foundation

/// Holds Prometheus' configuration and Grafana's dashboards against the services and their metrics.
struct DeploymentMonitoring {
    let facts: DeploymentFacts

    func problems(prometheus: YAML, compose: YAML) -> [String] {
        var findings = Findings()
        let targets =
            prometheus["scrape_configs"]?.items.flatMap { $0.at("static_configs", "0", "targets")?.items.compactMap(\.text) ?? [] } ?? []
        for name in facts.services.sorted() {
            let target = "\(name):\(facts.ports[name] ?? 0)"
            findings.expect(targets.contains(target), "prometheus.yml does not scrape \(target)")
        }
        let known = Set(compose["services"]?.members.keys.map { $0 } ?? []).union(["127.0.0.1"])
        for target in targets {
            let host = String(target.prefix { $0 != ":" })
            findings.expect(known.contains(host), "prometheus.yml scrapes \(target), which is no service of docker-compose.yml")
        }
        return findings.problems
    }

    struct Dashboard: Decodable {
        struct Source: Decodable { let uid: String }
        struct Target: Decodable {
            let refId: String
            let expr: String
            let datasource: Source
        }
        struct Position: Decodable { let x, y, w, h: Int }
        struct Panel: Decodable {
            let id: Int
            let title: String
            let targets: [Target]
            let gridPos: Position
        }
        let uid: String
        let title: String
        let panels: [Panel]
    }

    func problems(dashboard text: String, datasource: YAML) throws -> [String] {
        let dashboard: Dashboard
        do { dashboard = try JSONDecoder().decode(Dashboard.self, from: Data(text.utf8)) } catch { return ["no dashboard: \(error)"] }
        var findings = Findings()
        findings.expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count, "two panels share an id")
        let uid = datasource.at("datasources", "0", "uid")?.text
        for panel in dashboard.panels {
            findings.expect(!panel.targets.isEmpty, "\(panel.title): shows nothing")
            findings.expect(panel.gridPos.x + panel.gridPos.w <= 24, "\(panel.title): is wider than the dashboard")
            for target in panel.targets {
                findings.expect(
                    target.datasource.uid == uid,
                    "\(panel.title): asks the datasource \(target.datasource.uid), provisioned is \(uid ?? "none")")
                for metric in try DeploymentFacts.matches(#"\b(iot_[a-z0-9_]+)"#, in: target.expr) {
                    findings.expect(isKnown(metric), "\(panel.title): no service has a metric \(metric)")
                }
                findings.expect(
                    target.expr.filter { $0 == "(" }.count == target.expr.filter { $0 == ")" }.count, "\(panel.title): parentheses")
            }
        }
        return findings.problems
    }

    /// A histogram is exposed under three names.
    private func isKnown(_ metric: String) -> Bool {
        if facts.metrics.contains(metric) { return true }
        return ["_bucket", "_sum", "_count"].contains { metric.hasSuffix($0) && facts.metrics.contains(String(metric.dropLast($0.count))) }
    }
}

/// Holds mosquitto.conf to what deferred acknowledgement needs of the broker.
struct DeploymentBroker {
    let text: String

    func problems() -> [String] {
        var settings: [String: [String]] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            if words.count == 2 { settings[words[0], default: []].append(words[1]) }
        }
        var findings = Findings()
        findings.expect(
            Int(settings["max_inflight_messages"]?.first ?? "") ?? 20 >= 2000,
            "mosquitto.conf: max_inflight_messages below a batch of 2,000")
        findings.expect(settings["max_queued_messages"] == ["0"], "mosquitto.conf: max_queued_messages would drop acknowledged messages")
        findings.expect(settings["set_tcp_nodelay"] == ["true"], "mosquitto.conf: set_tcp_nodelay is off")
        let packet = Int(settings["max_packet_size"]?.first ?? "") ?? .max
        findings.expect(packet < 1 << 20, "mosquitto.conf: takes packets that ingestion (mqtt.maximum-packet) does not")
        findings.expect(settings["message_size_limit"] == nil, "mosquitto.conf: message_size_limit acknowledges and drops")
        findings.expect(settings["persistence"] == ["true"], "mosquitto.conf: sessions do not survive a restart")
        return findings.problems
    }
}
