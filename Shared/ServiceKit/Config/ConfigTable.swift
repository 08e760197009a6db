internal import Spelling

/// All settings of a service, in the order in which they are explained.
public struct ConfigTable: Sendable, ExpressibleByArrayLiteral {
    public let entries: [any ConfigEntry]

    public init(_ entries: [any ConfigEntry]) {
        self.entries = entries
        let names = entries.map(\.name)
        precondition(Set(names).count == names.count, "a setting stands twice in the table: \(names.sorted())")
    }

    public init(arrayLiteral elements: any ConfigEntry...) {
        self.init(elements)
    }

    public static func + (first: ConfigTable, second: ConfigTable) -> ConfigTable {
        ConfigTable(first.entries + second.entries)
    }

    func entry(named name: String) -> (any ConfigEntry)? {
        entries.first { $0.name == name }
    }

    /// The known name that `name` most likely meant; nil when none is near.
    func nearest(to name: String) -> String? {
        NearestName.among(entries.map(\.name) + ConfigReader.flags.map(\.name), to: name)
    }

    static func environmentName(of key: String) -> String {
        "MARTLET_" + key.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }
}
