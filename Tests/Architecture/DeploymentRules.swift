import Foundation
import TestSupport

/// Holds Prometheus' rules against the metrics that exist and against what a person on call needs to read.
struct DeploymentRules {
    var exported: [String: ExportedMetric]
    private var findings = Findings()
    private var names: Set<String> = []

    init(exported: [String: ExportedMetric]) { self.exported = exported }

    var problems: [String] { findings.problems }
    /// Names of the alerts seen so far.
    private(set) var alerts: Set<String> = []

    /// Rules that record something come first: later ones may ask for it.
    mutating func check(_ document: YAML, file: String) {
        let groups = document["groups"]?.items ?? []
        findings.expect(!groups.isEmpty, "\(file): no groups")
        for group in groups {
            let title = "\(file), \(group["name"]?.text ?? "a group without a name")"
            for rule in group["rules"]?.items ?? [] { check(rule, in: title) }
        }
    }

    private mutating func check(_ rule: YAML, in title: String) {
        let name = rule["record"]?.text ?? rule["alert"]?.text ?? "?"
        findings.expect(names.insert(name).inserted, "\(title): \(name) stands twice")
        let labels = self.labels(of: rule["expr"]?.text ?? "", "\(title), \(name)")
        if rule["record"] != nil {
            exported[name] = ExportedMetric(.gauge, labels: labels)
        } else {
            alerts.insert(name)
            checkAlert(rule, name: "\(title), \(name)", labels: labels)
        }
    }

    private mutating func labels(of expression: String, _ place: String) -> Set<String> {
        do {
            var check = PromQLCheck(exported: exported)
            let labels = check.labels(of: try PromQL(expression))
            for problem in check.problems { findings.expect(false, "\(place): \(problem)") }
            return labels
        } catch {
            findings.expect(false, "\(place): \(error)")
            return []
        }
    }

    private mutating func checkAlert(_ rule: YAML, name: String, labels: Set<String>) {
        let severity = rule.at("labels", "severity")?.text ?? "none"
        findings.expect(["critical", "warning", "info"].contains(severity), "\(name): severity \(severity)")
        for part in ["summary", "description", "runbook"] {
            let text = rule.at("annotations", part)?.text ?? ""
            findings.expect(text.count > 20, "\(name): the annotation \(part) says nothing")
            for match in text.matches(of: /\$labels\.([A-Za-z_]+)/) {
                findings.expect(
                    labels.contains(String(match.output.1)), "\(name): \(part) names the label \(match.output.1), which the alert lacks")
            }
        }
    }
}
