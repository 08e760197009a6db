internal import Spelling

/// The settings of one run, already checked: reading a value cannot fail.
///
/// Order: command line, then environment, then the file named by `--config`, then defaults.
public struct ConfigReader: Sendable {
    /// Where a value came from.
    public enum Source: Sendable, Equatable, CustomStringConvertible {
        case commandLine
        case environment(String)
        case file(String)
        case defaults

        public var description: String {
            switch self {
            case .commandLine: "command line"
            case .environment(let name): "environment \(name)"
            case .file(let path): "file \(path)"
            case .defaults: "default"
            }
        }
    }

    struct Setting: Sendable {
        let text: ConfigText
        let source: Source
    }

    public let table: ConfigTable
    /// Things worth a line in the log that do not stop the start: an environment variable that looks like a misspelt setting.
    public let warnings: [String]
    private let settings: [String: Setting]

    /// Reads all sources and checks every value.
    /// - Parameters:
    ///   - arguments: without the program's name and without `--help`, `--version`, `--print-config`.
    public init(_ table: ConfigTable, arguments: [String] = [], environment: [String: String] = [:]) throws(ConfigError) {
        let line = try CommandLineSettings(arguments, table: table)
        let file = if let path = line.configFile { try ConfigFile.read(path) } else { [String: ConfigText]() }
        var problems = line.problems
        for name in file.keys.sorted() where table.entry(named: name) == nil {
            let problem = Self.unknown(name, table, source: "file \(line.configFile ?? "")")
            problems.append(problem)
        }
        var settings: [String: Setting] = [:]
        for entry in table.entries {
            let setting: Setting? =
                if let text = line.values[entry.name] {
                    Setting(text: .text(text), source: .commandLine)
                } else if let text = environment[entry.environmentName] {
                    Setting(text: .text(text), source: .environment(entry.environmentName))
                } else if let text = file[entry.name] {
                    Setting(text: text, source: .file(line.configFile ?? ""))
                } else {
                    nil
                }
            settings[entry.name] = setting
            if let problem = Self.problem(with: entry, setting) { problems.append(problem) }
        }
        if !problems.isEmpty { throw ConfigError(problems) }
        self.table = table
        self.settings = settings
        warnings = Self.misspelt(environment, table)
    }

    /// For tests and for wiring: settings given as if on the command line.
    public init(_ table: ConfigTable, values: [String: String]) throws(ConfigError) {
        try self.init(table, arguments: values.map { "--\($0.key)=\($0.value)" })
    }

    /// The value of a setting. The key has to stand in the table this reader was made with.
    public subscript<Value>(key: ConfigKey<Value>) -> Value {
        precondition(table.entry(named: key.name) != nil, "the setting \(key.name) does not stand in the service's table of keys")
        guard let setting = settings[key.name], case .success(let value) = key.parse(setting.text) else {
            guard let value = key.defaultValue else {
                preconditionFailure("the setting \(key.name) is read with another key than the table's")
            }
            return value
        }
        return value
    }

    /// Whether somebody set it, rather than its default being used.
    public func isSet(_ entry: any ConfigEntry) -> Bool { settings[entry.name] != nil }

    /// What is in force and where it came from. A secret's value is masked.
    func effective(_ entry: any ConfigEntry) -> (value: String, source: Source) {
        let setting = settings[entry.name]
        let text = setting.flatMap { try? entry.check($0.text).get() } ?? entry.defaultText ?? ""
        return (entry.isSecret && !text.isEmpty ? "********" : text, setting?.source ?? .defaults)
    }

    static func unknown(_ name: String, _ table: ConfigTable, source: String) -> ConfigError.Problem {
        let hint = table.nearest(to: name).map { "did you mean \($0)?" } ?? "--help lists all settings"
        return .init(key: name, value: nil, source: source, reason: "there is no such setting; \(hint)")
    }

    private static func problem(with entry: any ConfigEntry, _ setting: Setting?) -> ConfigError.Problem? {
        guard let setting else {
            guard entry.defaultText == nil else { return nil }
            let reason = "is required; give --\(entry.name) or \(entry.environmentName). \(entry.help)"
            return .init(key: entry.name, value: nil, source: nil, reason: reason)
        }
        guard case .failure(let error) = entry.check(setting.text) else { return nil }
        let reason = (error as? ConfigReason)?.text ?? "\(error)"
        let shown = entry.isSecret ? nil : setting.text.display
        return .init(key: entry.name, value: shown, source: setting.source.description, reason: reason)
    }

    /// Several services share one environment, so a foreign MARTLET_ variable is no error; one that nearly hits a key is worth a word.
    private static func misspelt(_ environment: [String: String], _ table: ConfigTable) -> [String] {
        let known = table.entries.map(\.environmentName)
        return environment.keys.filter { $0.hasPrefix("MARTLET_") && !known.contains($0) }.sorted().compactMap { name in
            guard let near = NearestName.among(known, to: name), NearestName.distance(near, name) <= 2 else { return nil }
            return "the environment variable \(name) is no setting of this service; did you mean \(near)?"
        }
    }
}
