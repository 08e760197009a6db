/// The command line taken apart: `--key value`, `--key=value`, `--flag`, `--config FILE`.
struct CommandLineSettings {
    private(set) var values: [String: String] = [:]
    private(set) var configFile: String?
    private(set) var problems: [ConfigError.Problem] = []

    init(_ arguments: [String], table: ConfigTable) throws(ConfigError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--"), argument.count > 2 else {
                problems.append(
                    .init(key: argument, value: nil, source: "command line", reason: "a setting begins with two dashes: --key value"))
                continue
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            take(parts[0], given: parts.count > 1 ? parts[1] : nil, &rest, table)
        }
    }

    private mutating func take(_ name: String, given: String?, _ rest: inout ArraySlice<String>, _ table: ConfigTable) {
        let entry = table.entry(named: name)
        guard entry != nil || name == "config" else {
            problems.append(ConfigReader.unknown(name, table, source: "command line"))
            // The word after an unknown setting is its value, not a second mistake.
            if given == nil, let next = rest.first, !next.hasPrefix("--") { rest.removeFirst() }
            return
        }
        guard let value = given ?? Self.value(after: entry, &rest) else {
            problems.append(.init(key: name, value: nil, source: "command line", reason: "needs a value: --\(name) VALUE"))
            return
        }
        guard values[name] == nil, name != "config" || configFile == nil else {
            problems.append(.init(key: name, value: value, source: "command line", reason: "is given twice"))
            return
        }
        if entry == nil { configFile = value } else { values[name] = value }
    }

    /// The next word; a setting of true or false may stand alone and then means true.
    private static func value(after entry: (any ConfigEntry)?, _ rest: inout ArraySlice<String>) -> String? {
        if entry is ConfigKey<Bool>, rest.first != "true", rest.first != "false" { return "true" }
        guard let next = rest.first, !next.hasPrefix("--") else { return nil }
        return rest.removeFirst()
    }
}
