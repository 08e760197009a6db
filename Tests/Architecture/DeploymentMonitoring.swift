import Foundation

/// Holds Prometheus' configuration against the services and docker-compose.yml.
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
        checkRules(prometheus, compose, &findings)
        return findings.problems
    }

    /// The rules are mounted where Prometheus looks for them.
    private func checkRules(_ prometheus: YAML, _ compose: YAML, _ findings: inout Findings) {
        let patterns = prometheus["rule_files"]?.items.compactMap(\.text) ?? []
        findings.expect(patterns == ["rules/*.yml"], "prometheus.yml loads the rules \(patterns)")
        let volumes = compose.at("services", "prometheus", "volumes")?.items.compactMap(\.text) ?? []
        findings.expect(
            volumes.contains("./deploy/prometheus/rules:/etc/prometheus/rules:ro"), "docker-compose.yml: the rules do not reach Prometheus")
    }
}

/// Holds mosquitto.conf to what deferred acknowledgement needs of the broker.
struct DeploymentBroker {
    let text: String

    private var settings: [String: [String]] {
        text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
            .reduce(into: [:]) { settings, words in
                if words.count == 2 { settings[words[0], default: []].append(words[1]) }
            }
    }

    /// Of the devices' listener, devices.conf.
    func listenerProblems() -> [String] {
        let settings = settings
        var findings = Findings()
        let wanted = [
            ("require_certificate", "true", "lets in who has no certificate"), ("allow_anonymous", "false", "lets in who has no name"),
            ("use_identity_as_username", "true", "believes the name that a client gives"),
            ("use_username_as_clientid", "true", "the registry could not end a device's connection"),
            ("crlfile", "/mosquitto/pki/crl.pem", "does not know who is revoked"),
            ("acl_file", "/mosquitto/config/devices.acl", "lets a device write everywhere"),
        ]
        for (name, value, otherwise) in wanted { findings.expect(settings[name] == [value], "devices.conf: \(otherwise)") }
        return findings.problems
    }

    func problems() -> [String] {
        let settings = settings
        var findings = Findings()
        findings.expect(settings["per_listener_settings"] == ["true"], "mosquitto.conf: one set of rules for all listeners")
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
