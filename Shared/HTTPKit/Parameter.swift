/// What the documentation says of a parameter, and all that the router needs to know of it.
public struct ParameterSpecification: Sendable {
    public enum Location: String, Sendable { case path, query, header }

    public let name: String
    public let location: Location
    public let schema: Schema
    public let isRequired: Bool
    /// As a client would write it.
    public let defaultText: String?
    /// In words: `1…10000`, `json, ndjson or csv`.
    public let allowed: String?
    public let help: String
}

/// A parameter of any type, for the lists of routes.
public protocol ParameterDeclaration: Sendable {
    var specification: ParameterSpecification { get }
}

/// A value that is not what its parameter allows.
public struct ParameterFault: Error, Sendable {
    /// Completes "parameter `x` …": `must be a whole number within 1…100`.
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// A typed parameter of a route. Declared once, listed in the route, read with `RequestContext.value(_:)`:
/// ```swift
/// static let limit = Parameter.integer("limit", range: 1...10_000, help: "Rows of one page.").defaulting(to: 1_000)
/// ```
public struct Parameter<Value: Sendable>: ParameterDeclaration {
    public let specification: ParameterSpecification
    let parse: @Sendable (String) throws(ParameterFault) -> Value
    /// The value without the parameter; nil when it is required.
    let fallback: Value?

    /// A parameter of the service's own type.
    /// - Parameters:
    ///   - schema: shown in the documentation.
    ///   - parse: throws the reason, which the client reads.
    public init(
        _ name: String, in location: ParameterSpecification.Location = .query, schema: Schema = .string, allowed: String? = nil,
        help: String,
        parse: @escaping @Sendable (String) throws(ParameterFault) -> Value
    ) {
        specification = ParameterSpecification(
            name: name, location: location, schema: schema, isRequired: true, defaultText: nil, allowed: allowed, help: help)
        self.parse = parse
        fallback = nil
    }

    private init(
        specification: ParameterSpecification, fallback: Value?, parse: @escaping @Sendable (String) throws(ParameterFault) -> Value
    ) {
        self.specification = specification
        self.fallback = fallback
        self.parse = parse
    }

    /// Nil when the client leaves it out. Path parameters cannot be left out.
    public var optional: Parameter<Value?> {
        let parse = parse
        return Parameter<Value?>(specification: specification.relaxed(defaultText: nil), fallback: .some(nil)) {
            text throws(ParameterFault) in
            try parse(text)
        }
    }

    /// - Parameter shown: the default as a client would write it, for the documentation.
    public func defaulting(to value: Value, shown: String? = nil) -> Parameter<Value> {
        Parameter(specification: specification.relaxed(defaultText: shown ?? "\(value)"), fallback: value, parse: parse)
    }
}

extension ParameterSpecification {
    fileprivate func relaxed(defaultText: String?) -> ParameterSpecification {
        ParameterSpecification(
            name: name, location: location, schema: schema, isRequired: false, defaultText: defaultText, allowed: allowed, help: help)
    }
}

extension Parameter where Value == String {
    /// - Parameter maxLength: in bytes of UTF-8.
    public static func string(
        _ name: String, in location: ParameterSpecification.Location = .query, maxLength: Int = 1_024, help: String
    ) -> Parameter {
        Parameter(name, in: location, schema: .string, allowed: "1…\(maxLength) bytes", help: help) { text throws(ParameterFault) in
            guard (1...maxLength).contains(text.utf8.count) else { throw ParameterFault("must have 1…\(maxLength) bytes") }
            return text
        }
    }

    public static func choice(
        _ name: String, in location: ParameterSpecification.Location = .query, of values: [String], help: String
    ) -> Parameter {
        let list = values.joined(separator: ", ")
        return Parameter(name, in: location, schema: .choice(values), allowed: list, help: help) { text throws(ParameterFault) in
            guard values.contains(text) else { throw ParameterFault("must be one of \(list)") }
            return text
        }
    }
}

extension Parameter where Value == Int {
    public static func integer(
        _ name: String, in location: ParameterSpecification.Location = .query, range: ClosedRange<Int>, help: String
    ) -> Parameter {
        let allowed = "\(range.lowerBound)…\(range.upperBound)"
        return Parameter(name, in: location, schema: .integer, allowed: allowed, help: help) { text throws(ParameterFault) in
            guard let value = Int(text), range.contains(value) else { throw ParameterFault("must be a whole number within \(allowed)") }
            return value
        }
    }
}

extension Parameter where Value == Double {
    public static func number(
        _ name: String, in location: ParameterSpecification.Location = .query, range: ClosedRange<Double>, help: String
    ) -> Parameter {
        let allowed = "\(range.lowerBound)…\(range.upperBound)"
        return Parameter(name, in: location, schema: .number, allowed: allowed, help: help) { text throws(ParameterFault) in
            guard let value = Double(text), range.contains(value) else { throw ParameterFault("must be a number within \(allowed)") }
            return value
        }
    }
}

extension Parameter where Value == Bool {
    public static func boolean(_ name: String, in location: ParameterSpecification.Location = .query, help: String) -> Parameter {
        Parameter(name, in: location, schema: .boolean, allowed: "true, false", help: help) { text throws(ParameterFault) in
            switch text {
            case "true", "1": return true
            case "false", "0": return false
            default: throw ParameterFault("must be true or false")
            }
        }
    }
}
