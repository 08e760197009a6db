import Foundation
import TestSupport

/// Holds a Grafana dashboard against the provisioned data sources and the metrics that exist, panel by panel.
struct DeploymentDashboards {
    let exported: [String: ExportedMetric]
    /// Type by uid, from the provisioning file.
    let sources: [String: String]

    init(exported: [String: ExportedMetric], datasources: YAML) {
        self.exported = exported
        sources = Dictionary(
            (datasources["datasources"]?.items ?? []).map { ($0["uid"]?.text ?? "?", $0["type"]?.text ?? "?") }, uniquingKeysWith: { $1 })
    }

    func problems(_ text: String) -> [String] {
        let dashboard: GrafanaDashboard
        do { dashboard = try GrafanaDashboard(text) } catch { return ["no dashboard: \(error)"] }
        var findings = Findings()
        let panels = dashboard.panels
        findings.expect(Set(panels.map(\.id)).count == panels.count, "two panels share an id")
        let variables = Set(dashboard.templating.list.map(\.name))
        for variable in dashboard.templating.list {
            if let source = variable.datasource { check(source, "variable \(variable.name)", &findings) }
            check(variablesIn: variable.query, known: variables, "variable \(variable.name)", &findings)
        }
        for panel in panels { check(panel, variables, &findings) }
        for (index, panel) in panels.enumerated() {
            for other in panels[..<index] where overlap(panel.gridPos, other.gridPos) {
                findings.expect(false, "\(panel.title): lies over \(other.title)")
            }
        }
        return findings.problems
    }

    private func overlap(_ a: GrafanaDashboard.Position, _ b: GrafanaDashboard.Position) -> Bool {
        a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
    }

    private func check(_ panel: GrafanaDashboard.Panel, _ variables: Set<String>, _ findings: inout Findings) {
        findings.expect(panel.gridPos.x + panel.gridPos.w <= 24, "\(panel.title): is wider than the dashboard")
        if panel.type == "row" { return }
        findings.expect(!(panel.targets ?? []).isEmpty, "\(panel.title): shows nothing")
        findings.expect((panel.description ?? "").count > 20, "\(panel.title): does not say what it shows")
        if let name = panel.repeat { findings.expect(variables.contains(name), "\(panel.title): repeats by \(name), which is no variable") }
        for target in panel.targets ?? [] {
            check(target.datasource, panel.title, &findings)
            switch (target.expr, target.rawSql) {
            case (let expr?, nil): check(expression: expr, legend: target.legendFormat ?? "", panel.title, &findings)
            case (nil, let sql?): check(variablesIn: sql, known: variables, panel.title, &findings)
            default: findings.expect(false, "\(panel.title): neither PromQL nor SQL")
            }
        }
    }

    private func check(_ source: GrafanaDashboard.Source, _ place: String, _ findings: inout Findings) {
        findings.expect(
            sources[source.uid] == source.type, "\(place): asks the datasource \(source.uid) (\(source.type)), which is not provisioned")
    }

    private func check(variablesIn query: String, known: Set<String>, _ place: String, _ findings: inout Findings) {
        for name in GrafanaDashboard.variables(in: query).sorted() {
            findings.expect(known.contains(name), "\(place): $\(name) is no variable of the dashboard")
            findings.expect(query.contains("${\(name):sqlstring}"), "\(place): $\(name) is not quoted by :sqlstring")
        }
    }

    private func check(expression: String, legend: String, _ place: String, _ findings: inout Findings) {
        do {
            var check = PromQLCheck(exported: exported)
            let labels = check.labels(of: try PromQL(expression))
            for problem in check.problems { findings.expect(false, "\(place): \(problem)") }
            for match in legend.matches(of: /\{\{([^}]*)\}\}/) {
                findings.expect(
                    labels.contains(String(match.output.1)), "\(place): the legend names \(match.output.1), which the result lacks")
            }
        } catch {
            findings.expect(false, "\(place): \(error): \(expression)")
        }
    }
}
