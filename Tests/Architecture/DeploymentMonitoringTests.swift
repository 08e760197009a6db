import Foundation
import TestSupport
import Testing

/// Grafana and Prometheus are not there where this is tested: dashboards and rules are held against the metrics that the services
/// export, expression by expression. `Tests/EndToEnd` does the same against what running services really answer.
@Suite struct DeploymentMonitoringTests {
    private static let ruleFiles = DeploymentFacts.files(below: "deploy/prometheus/rules", endings: [".yml"])
    private static let dashboards = DeploymentFacts.files(below: "deploy/grafana/dashboards", endings: [".json"])

    /// Recording files first: alphabetical order would do by chance only.
    private func rules(_ texts: [String: String]) throws -> DeploymentRules {
        var rules = DeploymentRules(exported: try exported())
        for (path, text) in texts.sorted(by: { $0.key < $1.key }) { rules.check(try YAML.document(text), file: path) }
        return rules
    }

    /// The tables in the services' READMEs are made from the code and held against it by the services' own tests.
    private func exportedByServices() throws -> [String: ExportedMetric] {
        let readmes = DeploymentFacts.files(below: "Services", endings: ["README.md"])
        return MetricCatalogue.merged(try readmes.map { MetricCatalogue.table(inReadme: try DeploymentFacts.text($0)) })
    }

    private func exported() throws -> [String: ExportedMetric] {
        try exportedByServices().merging(MetricCatalogue.ofRunningServices) { $1 }.merging(MetricCatalogue.ofOthers) { $1 }
    }

    private func ruleTexts() throws -> [String: String] {
        try Dictionary(uniqueKeysWithValues: Self.ruleFiles.map { ($0, try DeploymentFacts.text($0)) })
    }

    private func altered(_ path: String, _ passage: String, _ replacement: String) throws -> String {
        let text = try DeploymentFacts.text(path)
        try #require(text.contains(passage), "\(path) no longer contains \(passage)")
        return text.replacing(passage, with: replacement)
    }

    // MARK: rules

    @Test func rulesAskForWhatExistsAndSayWhatToDo() throws {
        #expect(try rules(ruleTexts()).problems == [])
    }

    @Test func whatHasToBeWatchedIsWatched() throws {
        let alerts = try rules(ruleTexts()).alerts
        let wanted: Set<String> = [
            "IngestionUnaccounted", "WriterUnaccounted", "WriterBehind", "WriterStalled", "ConsumerIncident", "DeadLetters",
            "DeadLetterShare",
            "LateData", "SealingBehind", "SealingFails", "RegistryBehind", "RegistryNotPublishing", "BrokerRefusedEverything",
            "PresenceBehind", "DiskNearlyFull", "DiskFillsUp",
            "ServiceDown", "ServiceMissing",
        ]
        #expect(wanted.subtracting(alerts) == [])
    }

    @Test(arguments: [
        ("iot_records_written_total[5m]", "iot_records_stored_total[5m]", "nobody exports a metric iot_records_stored_total"),
        ("rate(iot_write_failures_total", "rate(iot_records_in_flight", "rate of a gauge"),
        ("max by (job, instance) (iot_consumer_incident)", "max by (partition) (iot_consumer_incident)", "no such label"),
        ("severity: info", "severity: bad", "severity bad"), ("runbook: \"Look at Kafka", "note: \"Look at Kafka", "runbook says nothing"),
        ("- alert: WriterStalled", "- alert: WriterBehind", "stands twice"), ("> 60\n", "> > 60\n", "is expected"),
        ("{{ $labels.job }} at", "{{ $labels.pod }} at", "names the label pod"),
        ("- sum by (job, instance) (iot_records_in_flight)", "- sum by (job) (iot_records_in_flight)", "never matches"),
    ])
    func ruleChecksCanFail(_ passage: String, _ replacement: String, _ finding: String) throws {
        let path = "deploy/prometheus/rules/pipeline.yml"
        let problems = try rules([path: altered(path, passage, replacement)]).problems
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test func kubernetesGetsEveryRule() throws {
        let kustomization = try YAML.document(DeploymentFacts.text("deploy/prometheus/kustomization.yaml"))
        let listed = kustomization.at("configMapGenerator", "0", "files")?.items.compactMap(\.text) ?? []
        #expect(Set(listed.map { "deploy/prometheus/\($0)" }) == Set(Self.ruleFiles))
    }

    @Test(.enabled(if: Promtool.isInstalled, "promtool is not installed: apt-get install prometheus"))
    func promtoolUnderstandsTheRules() throws {
        let outcome = try Promtool.run(["check", "rules"] + Self.ruleFiles)
        #expect(outcome.code == 0, "\(outcome.output)")
    }

    /// What fires and what does not, on made-up series.
    @Test(.enabled(if: Promtool.isInstalled, "promtool is not installed: apt-get install prometheus"))
    func alertsFireWhenTheyShould() throws {
        let tests = DeploymentFacts.files(below: "deploy/prometheus/tests", endings: [".yml"])
        #expect(!tests.isEmpty)
        let outcome = try Promtool.run(["test", "rules"] + tests)
        #expect(outcome.code == 0, "\(outcome.output)")
    }

    /// Every alert has a case in which it fires; promtool is not needed to see that.
    @Test func everyAlertIsTested() throws {
        let texts = try DeploymentFacts.files(below: "deploy/prometheus/tests", endings: [".yml"]).map(DeploymentFacts.text).joined()
        for name in try rules(ruleTexts()).alerts.sorted() { #expect(texts.contains("ALERTS{ alertname=\"\(name)\""), "\(name)") }
    }

    // MARK: dashboards

    private func dashboardProblems(_ text: String) throws -> [String] {
        let datasources = try YAML.document(DeploymentFacts.text("deploy/grafana/provisioning/datasources/martlet.yml"))
        return DeploymentDashboards(exported: try rules(ruleTexts()).exported, datasources: datasources).problems(text)
    }

    @Test(arguments: dashboards) func dashboardsAskForWhatExists(_ path: String) throws {
        #expect(try dashboardProblems(DeploymentFacts.text(path)) == [])
    }

    @Test func theDashboardsShowEveryMetric() throws {
        let panels = try Self.dashboards.flatMap { try GrafanaDashboard(try DeploymentFacts.text($0)).panels }
        let asked = try panels.flatMap { try ($0.targets ?? []).compactMap(\.expr).flatMap { try PromQL($0).metrics } }
        // The services' own metrics that no panel needs: they say what runs, or are the limit of another one.
        let unseen: Set<String> = ["iot_build_info", "iot_mqtt_batch_messages", "iot_write_batches_total"]
        for name in try exportedByServices().keys.sorted() where name.hasPrefix("iot_") && !unseen.contains(name) {
            #expect(asked.contains { $0.hasPrefix(name) }, "no panel shows \(name)")
        }
    }

    @Test(arguments: [
        ("pipeline", "iot_rows_written_total", "iot_rows_stored_total", "nobody exports a metric iot_rows_stored_total"),
        ("pipeline", "{{stage}} p99", "{{step}} p99", "the legend names step"),
        ("pipeline", "{le=\\\"3600\\\"}", "{le=3600}", "is expected at"),
        ("pipeline", "sum by (le, stage)", "sum by (stage)", "without the label le"),
        ("pipeline", "\"uid\": \"prometheus\"", "\"uid\": \"graphite\"", "datasource graphite"),
        ("pipeline", "\"panels\"", "\"rows\"", "no dashboard"),
        ("pipeline", "\"y\": 4", "\"y\": 3", "lies over"),
        ("pipeline", "\"description\": \"Resident", "\"about\": \"Resident", "does not say"),
        ("device", "${device:sqlstring}", "$device", "is not quoted"),
        ("device", "${metric:sqlstring}", "${series:sqlstring}", "no variable"),
        ("device", "\"repeat\": \"metric\"", "\"repeat\": \"unit\"", "repeats by unit"),
    ])
    func dashboardChecksCanFail(_ name: String, _ passage: String, _ replacement: String, _ finding: String) throws {
        let problems = try dashboardProblems(altered("deploy/grafana/dashboards/\(name).json", passage, replacement))
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test func grafanaGetsWhatItsProvisioningNames() throws {
        let compose = try YAML.document(DeploymentFacts.text("docker-compose.yml"))
        let grafana = compose.at("services", "grafana")
        let text = try DeploymentFacts.text("deploy/grafana/provisioning/datasources/martlet.yml")
        for name in try DeploymentFacts.matches(#"\$([A-Z][A-Z_]+)"#, in: text) {
            #expect(grafana?.at("environment", name) != nil, "\(name)")
            #expect(compose.at("services", "postgres", "environment", name) != nil, "\(name)")
        }
        let folder = try YAML.document(DeploymentFacts.text("deploy/grafana/provisioning/dashboards/martlet.yml"))
            .at("providers", "0", "options", "path")?.text
        let volumes = grafana?["volumes"]?.items.compactMap(\.text) ?? []
        #expect(volumes.contains("./deploy/grafana/dashboards:\(folder ?? "?"):ro"))
    }
}

/// Prometheus' own tool, where it is installed.
private enum Promtool {
    static let isInstalled = (try? run(["--version"]).code == 0) ?? false

    static func run(_ arguments: [String]) throws -> (code: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["promtool"] + arguments
        process.currentDirectoryURL = DeploymentFacts.root
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }
}
