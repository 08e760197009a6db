import Synchronization

/// What a metric is, without its numbers: the README's table and the tests are made from these.
public struct MetricDescriptor: Sendable, Hashable {
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    public let name: String
    public let kind: Kind
    public let help: String
    public let labelNames: [String]
}

/// All metrics of a process. The lock is held to register and to list, never to count.
///
/// The label sets of one name are bounded by `seriesLimit`: what comes beyond is counted in one series whose labels all say
/// `overflow`, so that a label with too many values costs detail and not memory.
public final class MetricsRegistry: Sendable {
    enum Series: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
        case function(@Sendable () -> Double)
    }

    struct Family: Sendable {
        let descriptor: MetricDescriptor
        var series: [[String]: Series] = [:]  // by the values of the labels, in the order of their names
    }

    public let seriesLimit: Int
    private let families = Mutex<[String: Family]>([:])

    public init(seriesLimit: Int = 256) {
        self.seriesLimit = seriesLimit
    }

    public func counter(_ name: String, help: String, labels: [String: String] = [:]) -> Counter {
        let made = series(name, .counter, help, labels) { .counter(Counter()) }
        if case .counter(let counter) = made { return counter }
        return Counter()
    }

    public func gauge(_ name: String, help: String, labels: [String: String] = [:]) -> Gauge {
        let made = series(name, .gauge, help, labels) { .gauge(Gauge()) }
        if case .gauge(let gauge) = made { return gauge }
        return Gauge()
    }

    /// - Parameter buckets: upper bounds, finite; the one for everything above is added.
    public func histogram(
        _ name: String, help: String, labels: [String: String] = [:], buckets: [Double] = Histogram.latencyBuckets
    ) -> Histogram {
        let made = series(name, .histogram, help, labels) { .histogram(Histogram(bounds: buckets)) }
        if case .histogram(let histogram) = made { return histogram }
        return Histogram(bounds: buckets)
    }

    /// A gauge that is asked when it is scraped. Registered again, the new function takes the place of the old one: what was
    /// rebuilt answers for itself.
    public func gaugeFunction(_ name: String, help: String, labels: [String: String] = [:], _ read: @escaping @Sendable () -> Double) {
        _ = series(name, .gauge, help, labels, replacing: true) { .function(read) }
    }

    /// A counter that somebody else keeps (the kernel, a C library) and that is asked when it is scraped.
    public func counterFunction(_ name: String, help: String, labels: [String: String] = [:], _ read: @escaping @Sendable () -> Double) {
        _ = series(name, .counter, help, labels, replacing: true) { .function(read) }
    }

    /// Every registered metric once, by name.
    public var descriptors: [MetricDescriptor] {
        families.withLock { $0.values.map(\.descriptor) }.sorted { $0.name < $1.name }
    }

    /// Appends all metrics in the Prometheus text format 0.0.4, by name and label values.
    public func renderPrometheus(into output: inout [UInt8]) {
        // Copied out, so that gauge functions run outside the lock and may themselves use the registry.
        let snapshot = families.withLock { Array($0.values) }
        for family in snapshot.sorted(by: { $0.descriptor.name < $1.descriptor.name }) {
            PrometheusText.append(family, to: &output)
        }
    }

    private func series(
        _ name: String, _ kind: MetricDescriptor.Kind, _ help: String, _ labels: [String: String], replacing: Bool = false,
        _ make: () -> Series
    ) -> Series? {
        assert(Self.isName(name), "metric name “\(name)”: letters, digits, underscores and colons only, no digit first")
        let names = labels.keys.sorted()
        assert(
            names.allSatisfy { Self.isName($0) && $0 != "le" }, "metric \(name): label names \(names): letters, digits, underscores; not le"
        )
        return families.withLock { families in
            let known = families[name]
            var family = known ?? Family(descriptor: MetricDescriptor(name: name, kind: kind, help: help, labelNames: names))
            guard family.descriptor.kind == kind, family.descriptor.labelNames == names else {
                // In a release build the caller gets a metric that counts and is not exported: losing one number is better than
                // stopping the service.
                assertionFailure(
                    "metric \(name) is registered as \(family.descriptor.kind) with labels \(family.descriptor.labelNames), "
                        + "not as \(kind) with labels \(names)")
                return nil
            }
            var values = names.map { labels[$0] ?? "" }
            if family.series[values] == nil, family.series.count >= seriesLimit { values = names.map { _ in "overflow" } }
            if let existing = family.series[values], !replacing { return existing }
            let made = make()
            family.series[values] = made
            families[name] = family
            return made
        }
    }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
    }
}
