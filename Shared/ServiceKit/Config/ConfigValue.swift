/// A value as a source gave it, before anything is known about its type.
public enum ConfigText: Sendable, Equatable {
    case text(String)
    /// An array in the configuration file. On the command line and in the environment lists are written `a,b,c`.
    case list([String])

    var display: String {
        switch self {
        case .text(let text): text
        case .list(let items): items.joined(separator: ",")
        }
    }
}

/// A type that a setting can have.
public protocol ConfigValue: Sendable, Equatable {
    /// What stands in the type column: `text`, `integer`, …
    static var configType: String { get }

    /// nil when the text is not of this type.
    init?(config: ConfigText)

    /// The value as one would write it on the command line.
    var configText: String { get }
}

extension String: ConfigValue {
    public static var configType: String { "text" }

    public init?(config: ConfigText) {
        guard case .text(let text) = config else { return nil }
        self = text
    }

    public var configText: String { self }
}

extension Int: ConfigValue {
    public static var configType: String { "integer" }

    public init?(config: ConfigText) {
        guard case .text(let text) = config, let number = Int(text) else { return nil }
        self = number
    }

    public var configText: String { description }
}

extension Double: ConfigValue {
    public static var configType: String { "number" }

    public init?(config: ConfigText) {
        guard case .text(let text) = config, let number = Double(text), number.isFinite else { return nil }
        self = number
    }

    public var configText: String { description }
}

extension Bool: ConfigValue {
    public static var configType: String { "true or false" }

    public init?(config: ConfigText) {
        switch config {
        case .text("true"): self = true
        case .text("false"): self = false
        default: return nil
        }
    }

    public var configText: String { description }
}

extension [String]: ConfigValue {
    public static var configType: String { "list" }

    public init?(config: ConfigText) {
        switch config {
        case .list(let items): self = items
        case .text(""): self = []
        case .text(let text):
            self = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimming(" ") }
        }
    }

    public var configText: String { joined(separator: ",") }
}

extension Duration: ConfigValue {
    public static var configType: String { "duration" }

    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000),
    ]

    /// A whole number and its unit: `250us`, `500ms`, `5s`, `10m`, `2h`, `7d`.
    public init?(config: ConfigText) {
        guard case .text(let text) = config else { return nil }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), let unit = Self.units.first(where: { $0.name == text.dropFirst(digits.count) }) else {
            return nil
        }
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
        guard !overflow else { return nil }
        self = .nanoseconds(nanoseconds)
    }

    public var configText: String {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return description }
        let nanoseconds = scaled + attoseconds / 1_000_000_000
        if nanoseconds == 0 { return "0s" }
        let unit = Self.units.first { nanoseconds % $0.nanoseconds == 0 }
        return unit.map { "\(nanoseconds / $0.nanoseconds)\($0.name)" } ?? description
    }
}

extension Substring {
    func trimming(_ character: Character) -> String {
        let start = drop { $0 == character }
        return String(start.reversed().drop { $0 == character }.reversed())
    }
}
