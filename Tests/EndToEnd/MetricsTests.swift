import Foundation
import TestSupport
import Testing

/// Dashboards and alert rules are held against tables of metrics (`Tests/Architecture`); here the tables are held against what running
/// services answer, and the dashboards once more against the answers themselves.
@Suite("Metrics of running services", .serialized)
struct MetricsTests {
    /// Everything that can be counted has been: rows, a dead letter, a request that HTTP does not allow.
    private func scrape(_ service: RunningService, _ stack: Stack) async throws -> ScrapedMetrics {
        try await stack.publish("v1/d/metrics-1/telemetry", #"{"type":"t","value":1,"seq":1}"#)
        try await stack.publish("v1/d/metrics-1/telemetry", "no JSON")
        try await eventually("\(service.name) knows its Kafka client, its lag and a refused request") {
            _ = try await runToEnd("curl", ["-s", "-H", "Content-Encoding: gzip", "http://127.0.0.1:\(service.port)/metrics"])
            let text = try await service.get("/metrics").body
            let isConsumer = service.name == "timeseries-writer"
            return text.contains("iot_kafka_brokers_up{") && text.contains("iot_http_refused_total{")
                && (!isConsumer || text.contains("iot_consumer_lag_records{"))
        }
        return ScrapedMetrics(try await service.get("/metrics").body)
    }

    @Test(
        "are those of the README's table and of the catalogue",
        arguments: [("ingestion", "Ingestion"), ("timeseries-writer", "TimeseriesWriter"), ("device-registry", "DeviceRegistry")])
    func tables(name: String, folder: String) async throws {
        let stack = try await Stack.shared.value
        let found = try await scrape(stack.service(name), stack).metrics
        let readme = try String(
            contentsOf: Binaries.root.appendingPathComponent("Services/\(folder)/README.md"), encoding: .utf8)
        let known = MetricCatalogue.table(inReadme: readme).merging(MetricCatalogue.ofRunningServices) { $1 }
        for (metric, exported) in found.sorted(by: { $0.key < $1.key }) {
            #expect(known[metric] == exported, "\(metric): \(exported)")
        }
        for metric in MetricCatalogue.table(inReadme: readme).keys.sorted() { #expect(found[metric] != nil, "\(metric) is not exported") }
    }

    @Test("answer every expression of the dashboards")
    func dashboards() async throws {
        let stack = try await Stack.shared.value
        var scraped = try await scrape(stack.ingestion, stack)
        scraped.merge(try await scrape(stack.writer, stack))
        scraped.merge(try await scrape(stack.registry, stack))
        let folder = Binaries.root.appendingPathComponent("deploy/grafana/dashboards")
        var expressions = 0
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            for panel in try GrafanaDashboard(String(contentsOf: file, encoding: .utf8)).panels {
                for text in (panel.targets ?? []).compactMap(\.expr) {
                    expressions += 1
                    expect(try PromQL(text), of: panel.title, isAnsweredBy: scraped)
                }
            }
        }
        #expect(expressions > 30)
    }

    private func expect(_ expression: PromQL, of panel: String, isAnsweredBy scraped: ScrapedMetrics) {
        var check = PromQLCheck(exported: scraped.metrics.merging(MetricCatalogue.ofOthers) { $1 })
        _ = check.labels(of: expression)
        #expect(check.problems == [], "\(panel)")
        for (metric, matchers) in expression.selectors where MetricCatalogue.ofOthers[metric] == nil {
            for matcher in matchers where matcher.operation == "=" && !PromQLCheck.targetLabels.contains(matcher.label) {
                #expect(scraped.values[metric]?[matcher.label]?.contains(matcher.value) == true, "\(panel): \(metric) \(matcher)")
            }
        }
    }
}
