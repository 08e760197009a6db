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
        Self.nearest(to: name, among: entries.map(\.name) + ConfigReader.flags.map(\.name))
    }

    static func nearest(to name: String, among names: [String]) -> String? {
        let candidates = names.map { (name: $0, distance: editDistance($0, name)) }
        guard let best = candidates.min(by: { $0.distance < $1.distance }), best.distance <= max(2, name.count / 3) else { return nil }
        return best.name
    }

    static func environmentName(of key: String) -> String {
        "MARTLET_" + key.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }

    /// How many letters must be put in, left out or changed (Levenshtein 1966).
    static func editDistance(_ first: String, _ second: String) -> Int {
        let first = Array(first)
        let second = Array(second)
        var previous = Array(0...second.count)
        for (row, letter) in first.enumerated() {
            var current = [row + 1]
            for (column, other) in second.enumerated() {
                let change = previous[column] + (letter == other ? 0 : 1)
                current.append(min(change, previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[second.count]
    }
}
