import TestSupport
import Testing

/// The reader of PromQL and the check of labels, which the dashboards and rules are held against.
@Suite struct PromQLTests {
    private static let exported: [String: ExportedMetric] = [
        "requests_total": ExportedMetric(.counter, labels: ["route"]), "errors_total": ExportedMetric(.counter, labels: ["route", "code"]),
        "queue": ExportedMetric(.gauge), "took_seconds": ExportedMetric(.histogram, labels: ["stage"]),
        "rule:lag": ExportedMetric(.gauge, labels: []),
    ]

    private func check(_ text: String) throws -> (labels: Set<String>, problems: [String]) {
        var check = PromQLCheck(exported: Self.exported)
        let labels = check.labels(of: try PromQL(text))
        return (labels, check.problems)
    }

    private static let results: [(String, Set<String>)] = [
        ("sum(rate(requests_total[5m]))", []), ("sum by (route) (rate(requests_total{route!=\"a\"}[5m]))", ["route"]),
        ("sum(rate(requests_total[$__rate_interval])) by (route, job)", ["route", "job"]),
        ("queue", ["job", "instance"]), ("queue{job=~\"a|b\"} offset 5m", ["job", "instance"]),
        ("sum without (instance) (queue)", ["job"]), ("- -queue", ["job", "instance"]),
        ("histogram_quantile(0.99, sum by (le, stage) (rate(took_seconds_bucket[1m])))", ["stage"]),
        ("rate(took_seconds_sum[1m]) / rate(took_seconds_count[1m])", ["stage", "job", "instance"]),
        ("sum by (route) (rate(errors_total[5m])) / on (route) sum by (route, job) (rate(requests_total[5m]))", ["route"]),
        ("rate(errors_total[5m]) / ignoring(code) group_left rate(requests_total[5m])", ["route", "code", "job", "instance"]),
        ("sum(queue) > 3 or vector(0)", []), ("queue > 1 and on (job) rule:lag == 0", ["job", "instance"]),
        ("predict_linear(queue[6h], 24 * 3600) < 0", ["job", "instance"]), ("topk(3, queue)", ["job", "instance"]),
        ("max_over_time(rule:lag[2m]) unless queue", ["job", "instance"]),
        ("absent(queue{job=\"a\", instance!=\"b\"})", ["job"]), ("1 + 2 ^ 3", []),
        ("clamp_min(sum by (job) (queue) - sum by (job) (rule:lag), 0)", ["job"]),
    ]

    @Test(arguments: results)
    func labelsOfResults(text: String, labels: Set<String>) throws {
        let result = try check(text)
        #expect(result.problems == [])
        #expect(result.labels == labels)
    }

    private static let impossible: [(String, String)] = [
        ("queues", "nobody exports a metric queues"), ("took_seconds", "nobody exports a metric took_seconds"),
        ("requests_total{method=\"GET\"}", "has no label method"), ("sum by (code) (requests_total)", "by code"),
        ("rate(queue[5m])", "rate of a gauge"), ("deriv(requests_total[5m])", "deriv of a counter"),
        ("rate(requests_total)", "needs a range"),
        ("histogram_quantile(0.5, sum by (stage) (rate(took_seconds_bucket[1m])))", "without the label le"),
        ("rate(errors_total[5m]) / rate(requests_total[5m])", "never matches"), ("queue / on (route) requests_total", "on route"),
        ("smooth(queue)", "smooth is not known"), ("sum(1)", "needs a vector"), ("queue[5m] + 1", "not vectors or numbers"),
    ]

    @Test(arguments: impossible)
    func whatCanNeverAnswerIsFound(text: String, finding: String) throws {
        let problems = try check(text).problems
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test(arguments: [
        "", "sum(", "sum(queue", "queue)", "queue{job}", "queue{job=a}", "queue[5]", "queue[", "queue{job=\"a}", "{job=\"a\"}",
        "queue offset", "a b",
        "sum(queue)[5m]", "queue #", "1 +", "sum by queue (queue)", "queue > > 1",
    ])
    func whatIsNoPromQLIsRefused(text: String) {
        #expect(throws: PromQLError.self) { try PromQL(text) }
    }

    @Test func namesTheMetrics() throws {
        #expect(try PromQL("sum(rate(a_total[5m])) / (b - on (x) c{d=\"e\"} offset 1m) or vector(0)").metrics == ["a_total", "b", "c"])
    }

    @Test func bindsAsPrometheusDoes() throws {
        // a or (b and ((c + (d * (e ^ f))) > g))
        guard
            case .binary(
                "or", _, .binary("and", _, .binary(">", .binary("+", _, .binary("*", _, .binary("^", _, _, _), _), _), _, _), _), _) =
                try PromQL("a or b and c + d * e ^ f > g")
        else {
            Issue.record("precedence")
            return
        }
        guard case .binary("-", .binary("-", _, _, _), .selector("c", _, _), _) = try PromQL("a - b - c") else {
            Issue.record("operators bind to the left")
            return
        }
    }
}
