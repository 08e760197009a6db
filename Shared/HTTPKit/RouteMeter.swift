import HTTPServer
import Metrics
import Synchronization

/// Counts requests per route. Labels are bounded: the route's template, the methods known, the status.
final class RouteMeter: Sendable {
    private struct Key: Hashable {
        let route: String
        let method: String
        let status: Int
    }

    private let registry: MetricsRegistry
    private let counters = Mutex<[Key: Counter]>([:])
    private let durations = Mutex<[String: Histogram]>([:])
    private static let methods: Set<HTTPMethod> = [.get, .head, .post, .put, .patch, .delete, .options]
    private static let buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    init(_ registry: MetricsRegistry) { self.registry = registry }

    func record(_ route: String, _ method: HTTPMethod, _ status: Int, _ duration: Duration) {
        let key = Key(route: route, method: Self.methods.contains(method) ? method.rawValue : "OTHER", status: status)
        let counter = counters.withLock { counters in
            if let known = counters[key] { return known }
            let made = registry.counter(
                "iot_http_requests_total", help: "HTTP requests answered, by route template, method and status.",
                labels: ["route": key.route, "method": key.method, "status": String(status)])
            counters[key] = made
            return made
        }
        counter.increment()
        let histogram = durations.withLock { durations in
            if let known = durations[route] { return known }
            let made = registry.histogram(
                "iot_http_request_duration_seconds", help: "From a request's headers to its answer; a streamed body is not in it.",
                labels: ["route": route], buckets: Self.buckets)
            durations[route] = made
            return made
        }
        let parts = duration.components
        histogram.observe(Double(parts.seconds) + Double(parts.attoseconds) * 1e-18)
    }
}
