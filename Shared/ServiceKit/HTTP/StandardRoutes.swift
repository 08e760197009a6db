import HTTPKit
import HTTPServer
import Metrics

/// The endpoints that every service has, for probes, scrapers and the curious.
enum StandardRoutes {
    static func routes(metrics: MetricsRegistry, probe: ReadinessProbe) -> RouteCollection {
        [
            .immediate(
                .get, "/healthz", summary: "The process is alive and answers", access: .open,
                responses: [.init(schema: .object([.init("status", .string)]), help: "Always `ok`: a process that hangs does not answer.")],
                answer: { _ in .text("{\"status\":\"ok\"}\n", type: "application/json") }),
            Route(
                .get, "/readyz", summary: "The service can do its work: each check with its state and reason", access: .open,
                responses: [
                    .init(schema: readiness, help: "Every check passes."),
                    .init(503, schema: readiness, help: "At least one check fails, or the service is shutting down."),
                ],
                handler: { _ in
                    let report = await probe.report()
                    return try .json(report, status: report.ready ? 200 : 503)
                }),
            .immediate(
                .get, "/metrics", summary: "All metrics in the Prometheus text format", access: .open,
                responses: [.init(contentType: PrometheusText.contentType, schema: .string, help: "Prometheus text 0.0.4.")],
                answer: { _ in
                    var bytes: [UInt8] = []
                    metrics.renderPrometheus(into: &bytes)
                    return .bytes(bytes, type: PrometheusText.contentType)
                }),
        ]
    }

    private static let readiness = Schema.object([
        .init("ready", .boolean),
        .init(
            "checks",
            .array(.object([.init("name", .string), .init("ready", .boolean), .init("reason", .string, isRequired: false)]))),
    ])
}
