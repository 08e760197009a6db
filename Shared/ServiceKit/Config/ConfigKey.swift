/// One setting of a service: its name, type, default, what is allowed, and the sentence that explains it.
///
/// The table of keys is the only place where a setting is described: reading, `--help`, `--print-config` and the README come from it.
public struct ConfigKey<Value: ConfigValue>: Sendable {
    /// `group.setting`, lower case: `mqtt.host`. The environment variable is `MARTLET_MQTT_HOST`.
    public let name: String
    /// nil makes the setting required.
    public let defaultValue: Value?
    /// Passwords and keys: never printed.
    public let isSecret: Bool
    public let help: String
    let constraint: Constraint?

    struct Constraint: Sendable {
        /// What stands in the range column: `1…65535`.
        let text: String
        let allows: @Sendable (Value) -> Bool
    }

    /// - Parameter default: nil makes the setting required.
    public init(_ name: String, default value: Value?, secret: Bool = false, help: String) {
        self.init(name, value, secret, help, nil)
    }

    public init(_ name: String, default value: Value?, in range: ClosedRange<Value>, help: String) where Value: Comparable {
        let text = "\(range.lowerBound.configText)…\(range.upperBound.configText)"
        self.init(name, value, false, help, Constraint(text: text) { range.contains($0) })
    }

    public init(_ name: String, default value: Value?, oneOf choices: [Value], help: String) {
        let text = choices.map(\.configText).joined(separator: ", ")
        self.init(name, value, false, help, Constraint(text: text) { choices.contains($0) })
    }

    /// - Parameters:
    ///   - allowed: what `allows` checks, in words: `host:port,…`.
    public init(
        _ name: String, default value: Value?, secret: Bool = false, allowed: String, help: String,
        where allows: @escaping @Sendable (Value) -> Bool
    ) {
        self.init(name, value, secret, help, Constraint(text: allowed, allows: allows))
    }

    private init(_ name: String, _ value: Value?, _ secret: Bool, _ help: String, _ constraint: Constraint?) {
        self.name = name
        defaultValue = value
        isSecret = secret
        self.help = help
        self.constraint = constraint
        precondition(value.map { constraint?.allows($0) ?? true } ?? true, "the default of \(name) is outside its own range")
    }

    /// Reads a source's text as this key's value, or says why it cannot.
    func parse(_ text: ConfigText) -> Result<Value, ConfigReason> {
        guard let value = Value(config: text) else { return .failure(ConfigReason("is not \(Self.article(Value.configType))")) }
        if let constraint, !constraint.allows(value) { return .failure(ConfigReason("is not allowed; allowed: \(constraint.text)")) }
        return .success(value)
    }

    private static func article(_ type: String) -> String {
        switch type {
        case "integer": "an integer"
        case "duration": "a duration (a whole number and us, ms, s, m, h or d: 500ms)"
        case "number": "a number"
        default: type
        }
    }
}

struct ConfigReason: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

/// A key of any type, as the table holds it.
public protocol ConfigEntry: Sendable {
    var name: String { get }
    var isSecret: Bool { get }
    var help: String { get }
    /// `text`, `integer`, `duration`, …
    var typeText: String { get }
    /// nil when the setting is required.
    var defaultText: String? { get }
    /// nil when every value of the type is allowed.
    var rangeText: String? { get }
    /// The value in its canonical writing, or why it is refused.
    func check(_ text: ConfigText) -> Result<String, any Error>
}

extension ConfigKey: ConfigEntry {
    public var typeText: String { Value.configType }
    public var defaultText: String? { defaultValue?.configText }
    public var rangeText: String? { constraint?.text }

    public func check(_ text: ConfigText) -> Result<String, any Error> {
        parse(text).map(\.configText).mapError { $0 }
    }
}

extension ConfigEntry {
    /// `mqtt.host` → `MARTLET_MQTT_HOST`.
    public var environmentName: String { ConfigTable.environmentName(of: name) }
}
