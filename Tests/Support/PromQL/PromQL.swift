/// A PromQL expression as a tree: as much of the language as dashboards and alert rules need to be held against the metrics that exist.
public indirect enum PromQL: Sendable {
    public struct Matcher: Sendable, Hashable {
        public let label: String
        public let operation: String
        public let value: String
    }

    /// `by (…)` or `without (…)`.
    public struct Grouping: Sendable, Hashable {
        public let keeps: Bool
        public let labels: [String]
    }

    /// `on (…)` or `ignoring (…)`, with the `group_left (…)` or `group_right (…)` behind it.
    public struct Matching: Sendable, Hashable {
        public let keeps: Bool
        public let labels: [String]
        public var many: String?
        public var included: [String] = []
    }

    case number
    case text(String)
    case selector(metric: String, matchers: [Matcher], isRange: Bool)
    case aggregate(String, Grouping?, [PromQL])
    case call(String, [PromQL])
    case binary(String, PromQL, PromQL, Matching?)

    public init(_ text: String) throws {
        var parser = PromQLParser(tokens: try PromQLLexer.tokens(of: text))
        self = try parser.whole()
    }

    /// Every metric that is asked for, as it is exposed, with what its labels have to be.
    public var selectors: [(metric: String, matchers: [Matcher])] {
        switch self {
        case .number, .text: []
        case .selector(let metric, let matchers, _): [(metric, matchers)]
        case .aggregate(_, _, let inner), .call(_, let inner): inner.flatMap(\.selectors)
        case .binary(_, let left, let right, _): left.selectors + right.selectors
        }
    }

    public var metrics: Set<String> { Set(selectors.map(\.metric)) }
}

/// Recursive descent over the tokens; binary operators by precedence.
struct PromQLParser {
    private let tokens: [PromQLToken]
    private var index = 0

    private static let precedence: [String: Int] = [
        "or": 1, "and": 2, "unless": 2, "==": 3, "!=": 3, ">": 3, "<": 3, ">=": 3, "<=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
    ]
    private static let aggregations: Set<String> = [
        "sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "quantile", "group", "count_values",
    ]

    init(tokens: [PromQLToken]) { self.tokens = tokens }

    mutating func whole() throws -> PromQL {
        let expression = try binary(above: 0)
        guard current == .end else { throw PromQLError(description: "\(current) is not expected here") }
        return expression
    }

    private var current: PromQLToken { index < tokens.count ? tokens[index] : .end }

    private mutating func accept(_ mark: String) -> Bool {
        guard current == .mark(mark) || current == .word(mark) else { return false }
        index += 1
        return true
    }

    private mutating func expect(_ mark: String) throws {
        guard accept(mark) else { throw PromQLError(description: "\(mark) is expected instead of \(current)") }
    }

    private mutating func binary(above least: Int) throws -> PromQL {
        var left = try unary()
        while let operation = self.operation, let level = Self.precedence[operation], level > least {
            index += 1
            _ = accept("bool")
            let matching = try self.matching()
            left = .binary(operation, left, try binary(above: level), matching)
        }
        return left
    }

    private var operation: String? {
        switch current {
        case .mark(let text), .word(let text): Self.precedence[text] == nil ? nil : text
        default: nil
        }
    }

    private mutating func matching() throws -> PromQL.Matching? {
        guard current == .word("on") || current == .word("ignoring") else { return nil }
        let keeps = current == .word("on")
        index += 1
        var matching = PromQL.Matching(keeps: keeps, labels: try names())
        for side in ["group_left", "group_right"] where accept(side) {
            matching.many = side
            if current == .mark("(") { matching.included = try names() }
        }
        return matching
    }

    private mutating func names() throws -> [String] {
        try expect("(")
        var names: [String] = []
        while !accept(")") {
            guard case .word(let name) = current else { throw PromQLError(description: "a label is expected instead of \(current)") }
            names.append(name)
            index += 1
            if current != .mark(")") { try expect(",") }
        }
        return names
    }

    private mutating func unary() throws -> PromQL {
        if accept("-") || accept("+") { return try unary() }
        var expression = try primary()
        if case .range = current {
            guard case .selector(let metric, let matchers, false) = expression else {
                throw PromQLError(description: "a range is read behind a metric only; subqueries are not")
            }
            index += 1
            expression = .selector(metric: metric, matchers: matchers, isRange: true)
        }
        if accept("offset") {
            guard case .number = current else { throw PromQLError(description: "offset without a duration") }
            index += 1
        }
        return expression
    }

    private mutating func primary() throws -> PromQL {
        let token = current
        index += 1
        switch token {
        case .number, .word("Inf"), .word("NaN"): return .number
        case .text(let text): return .text(text)
        case .mark("("):
            let inner = try binary(above: 0)
            try expect(")")
            return inner
        case .mark("{"):
            throw PromQLError(description: "a selector without a metric's name")
        case .word(let name) where Self.aggregations.contains(name) && (current == .mark("(") || isGrouping):
            return try aggregate(name)
        case .word(let name):
            if current == .mark("(") { return .call(name, try arguments()) }
            return .selector(metric: name, matchers: try matchers(), isRange: false)
        default: throw PromQLError(description: "an expression is expected instead of \(token)")
        }
    }

    private var isGrouping: Bool { current == .word("by") || current == .word("without") }

    private mutating func aggregate(_ name: String) throws -> PromQL {
        var grouping = try self.grouping()
        let inner = try arguments()
        if grouping == nil { grouping = try self.grouping() }
        return .aggregate(name, grouping, inner)
    }

    private mutating func grouping() throws -> PromQL.Grouping? {
        guard isGrouping else { return nil }
        let keeps = current == .word("by")
        index += 1
        return PromQL.Grouping(keeps: keeps, labels: try names())
    }

    private mutating func arguments() throws -> [PromQL] {
        try expect("(")
        var found: [PromQL] = []
        while !accept(")") {
            found.append(try binary(above: 0))
            if current != .mark(")") { try expect(",") }
        }
        return found
    }

    private mutating func matchers() throws -> [PromQL.Matcher] {
        guard accept("{") else { return [] }
        var found: [PromQL.Matcher] = []
        while !accept("}") {
            guard case .word(let label) = current, index + 2 < tokens.count, case .mark(let operation) = tokens[index + 1],
                ["=", "!=", "=~", "!~"].contains(operation), case .text(let value) = tokens[index + 2]
            else { throw PromQLError(description: "label=\"value\" is expected at \(current)") }
            found.append(PromQL.Matcher(label: label, operation: operation, value: value))
            index += 3
            if current != .mark("}") { try expect(",") }
        }
        return found
    }
}
