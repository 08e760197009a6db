/// A metric that somebody exports: the names and labels that expressions are held against.
public struct ExportedMetric: Sendable, Hashable {
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    public let kind: Kind
    public let labels: Set<String>

    public init(_ kind: Kind, labels: Set<String> = []) {
        self.kind = kind
        self.labels = labels
    }
}

/// Works out which labels an expression gives, and finds on the way what can never give a result: a metric that nobody exports, a
/// label that the metric does not have, two sides of an operator whose labels never match, a rate of a gauge.
public struct PromQLCheck {
    /// Every scraped series has these from the target it comes from.
    public static let targetLabels: Set<String> = ["job", "instance"]

    public private(set) var problems: [String] = []
    private let exported: [String: ExportedMetric]

    public init(exported: [String: ExportedMetric]) { self.exported = exported }

    enum Shape: Equatable {
        case scalar
        case text
        case vector(Set<String>)
        case range(Set<String>, ExportedMetric.Kind)
    }

    /// - Returns: the labels of the result; empty for a number.
    public mutating func labels(of expression: PromQL) -> Set<String> {
        if case .vector(let labels) = shape(of: expression) { return labels }
        return []
    }

    private mutating func shape(of expression: PromQL) -> Shape {
        switch expression {
        case .number: return .scalar
        case .text: return .text
        case .selector(let metric, let matchers, let isRange): return selector(metric, matchers, isRange: isRange)
        case .aggregate(let name, let grouping, let arguments): return aggregate(name, grouping, arguments)
        case .call(let name, let arguments): return call(name, arguments)
        case .binary(let operation, let left, let right, let matching):
            return binary(operation, shape(of: left), shape(of: right), matching)
        }
    }

    /// A histogram is exposed under three names.
    private func find(_ name: String) -> ExportedMetric? {
        if let metric = exported[name], metric.kind != .histogram { return metric }
        for (suffix, extra) in [("_bucket", Set(["le"])), ("_sum", []), ("_count", [])] where name.hasSuffix(suffix) {
            guard let base = exported[String(name.dropLast(suffix.count))], base.kind == .histogram else { continue }
            return ExportedMetric(.counter, labels: base.labels.union(extra))
        }
        return nil
    }

    private mutating func selector(_ name: String, _ matchers: [PromQL.Matcher], isRange: Bool) -> Shape {
        guard let metric = find(name) else {
            problems.append("nobody exports a metric \(name)")
            return isRange ? .range(Self.targetLabels, .gauge) : .vector(Self.targetLabels)
        }
        let labels = metric.labels.union(Self.targetLabels)
        for matcher in matchers where !labels.contains(matcher.label) {
            problems.append("\(name) has no label \(matcher.label)")
        }
        return isRange ? .range(labels, metric.kind) : .vector(labels)
    }

    private mutating func aggregate(_ name: String, _ grouping: PromQL.Grouping?, _ arguments: [PromQL]) -> Shape {
        let shapes = arguments.map { shape(of: $0) }
        guard case .vector(let labels)? = shapes.last else {
            problems.append("\(name) needs a vector")
            return .vector([])
        }
        let isSelection = name == "topk" || name == "bottomk"
        guard let grouping else { return .vector(isSelection ? labels : []) }
        for label in grouping.labels where grouping.keeps && !labels.contains(label) {
            problems.append("\(name) by \(label): what is summed has no such label")
        }
        if isSelection { return .vector(labels) }
        return .vector(grouping.keeps ? labels.intersection(grouping.labels) : labels.subtracting(grouping.labels))
    }

    private static let ofCounters: Set<String> = ["rate", "irate", "increase", "resets"]
    private static let ofGauges: Set<String> = ["deriv", "predict_linear", "delta", "idelta"]
    private static let ofRanges: Set<String> = [
        "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time", "quantile_over_time",
        "present_over_time", "changes",
    ]
    private static let ofVectors: Set<String> = ["abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "sort", "sort_desc"]

    private mutating func call(_ name: String, _ arguments: [PromQL]) -> Shape {
        let shapes = arguments.map { shape(of: $0) }
        if Self.ofCounters.contains(name) || Self.ofGauges.contains(name) || Self.ofRanges.contains(name) {
            return overRange(name, shapes)
        }
        if name == "vector" { return .vector([]) }
        if name == "absent" { return .vector(equalities(in: arguments.first)) }
        if name == "time" || name == "scalar" { return .scalar }
        guard
            let labels = shapes.lazy.compactMap({ shape -> Set<String>? in if case .vector(let labels) = shape { labels } else { nil } })
                .first
        else {
            problems.append("\(name) needs a vector")
            return .vector([])
        }
        if name == "histogram_quantile" {
            if !labels.contains("le") { problems.append("histogram_quantile without the label le") }
            return .vector(labels.subtracting(["le"]))
        }
        if !Self.ofVectors.contains(name) { problems.append("the function \(name) is not known here") }
        return .vector(labels)
    }

    /// What is absent has the labels that it was asked for with `=`.
    private func equalities(in argument: PromQL?) -> Set<String> {
        guard case .selector(_, let matchers, _)? = argument else { return [] }
        return Set(matchers.filter { $0.operation == "=" }.map(\.label))
    }

    private mutating func overRange(_ name: String, _ shapes: [Shape]) -> Shape {
        for case .range(let labels, let kind) in shapes {
            if Self.ofCounters.contains(name), kind != .counter { problems.append("\(name) of a \(kind)") }
            if Self.ofGauges.contains(name), kind != .gauge { problems.append("\(name) of a \(kind)") }
            return .vector(labels)
        }
        problems.append("\(name) needs a range: metric[5m]")
        return .vector([])
    }

    private mutating func binary(_ operation: String, _ left: Shape, _ right: Shape, _ matching: PromQL.Matching?) -> Shape {
        switch (left, right) {
        case (.scalar, .scalar): return .scalar
        case (.vector(let labels), .scalar), (.scalar, .vector(let labels)): return .vector(labels)
        case (.vector(let first), .vector(let second)): return .vector(match(operation, first, second, matching))
        default:
            problems.append("\(operation) between things that are not vectors or numbers")
            return .vector([])
        }
    }

    private mutating func match(
        _ operation: String, _ left: Set<String>, _ right: Set<String>, _ matching: PromQL.Matching?
    ) -> Set<String> {
        if operation == "or" { return left.union(right) }
        var common = left
        if let matching, matching.keeps {
            common = Set(matching.labels)
            for label in matching.labels where !left.contains(label) || !right.contains(label) {
                problems.append("\(operation) on \(label): not both sides have that label")
            }
        } else {
            let ignored = Set(matching?.labels ?? [])
            common = left.subtracting(ignored)
            if common != right.subtracting(ignored) {
                problems.append("\(operation) never matches: labels \(left.sorted()) on the left, \(right.sorted()) on the right")
            }
        }
        if operation == "and" || operation == "unless" || matching?.many == "group_left" {
            return left.union(matching?.included ?? [])
        }
        return matching?.many == "group_right" ? right.union(matching?.included ?? []) : common
    }
}
