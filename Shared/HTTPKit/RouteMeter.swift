import HTTPServer
import Metrics
import Synchronization

/// Counts requests per route. Labels are bounded: the route's template, the methods known, the status.
final class RouteMeter: Sendable {
    private let registry: MetricsRegistry
    private let gauges = Mutex<[String: RouteGauge]>([:])

    init(_ registry: MetricsRegistry) { self.registry = registry }

    /// What counts for one template; routes that differ in their method share it.
    func gauge(_ template: String) -> RouteGauge {
        gauges.withLock { gauges in
            if let known = gauges[template] { return known }
            let made = RouteGauge(registry, template)
            gauges[template] = made
            return made
        }
    }
}

/// The numbers of one route. Each is registered when it first counts, so that a scrape shows what was asked for and no more.
final class RouteGauge: Sendable {
    private struct State {
        var counters: [(method: HTTPMethod, status: Int, counter: Counter)] = []
        var duration: Histogram?
    }

    private let registry: MetricsRegistry
    private let template: String
    private let state = Mutex(State())
    private static let other = HTTPMethod(rawValue: "OTHER")
    private static let methods: [HTTPMethod] = [.get, .head, .post, .put, .patch, .delete, .options]
    private static let buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    init(_ registry: MetricsRegistry, _ template: String) {
        self.registry = registry
        self.template = template
    }

    func record(_ method: HTTPMethod, _ status: Int, _ duration: Duration) {
        let (answers, durations) = state.withLock { state -> (Counter, Histogram) in
            (counter(method, status, &state), histogram(&state))
        }
        answers.increment()
        durations.observe(duration)
    }

    private func counter(_ method: HTTPMethod, _ status: Int, _ state: inout State) -> Counter {
        if let known = state.counters.first(where: { $0.status == status && $0.method == method }) { return known.counter }
        let label = Self.methods.contains(method) ? method : Self.other
        if let known = state.counters.first(where: { $0.status == status && $0.method == label }) { return known.counter }
        let made = registry.counter(
            "iot_http_requests_total", help: "HTTP requests answered, by route template, method and status.",
            labels: ["route": template, "method": label.rawValue, "status": String(status)])
        state.counters.append((label, status, made))
        return made
    }

    private func histogram(_ state: inout State) -> Histogram {
        if let known = state.duration { return known }
        let made = registry.histogram(
            "iot_http_request_duration_seconds", help: "From a request's headers to its answer; a streamed body is not in it.",
            labels: ["route": template], buckets: Self.buckets)
        state.duration = made
        return made
    }
}
