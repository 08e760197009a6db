import Glibc

/// The texts of `--help` and `--print-config`, made from the table of keys.
struct ConfigHelp {
    let name: String
    let version: String
    let summary: String
    let table: ConfigTable

    /// - Parameter width: columns of the terminal.
    func help(width: Int) -> String {
        var text = Self.wrapped("\(name) \(version): \(summary)", indent: "", width: width)
        text += "\nUsage: \(name) [--config FILE] [--SETTING VALUE]...\n\n"
        if let first = table.entries.first {
            let value = first.defaultText.flatMap { $0.isEmpty ? nil : $0 } ?? "VALUE"
            text += "Three ways to say the same; the first found wins, then the default:\n"
            text += "  \(name) --\(first.name) \(value)\n"
            text += "  \(first.environmentName)=\(value) \(name)\n"
            text += "  \(name) --config settings.json      {\(Self.nested(first.name, value))}\n\n"
        }
        for flag in ConfigReader.flags { text += "  \(Self.padded("--\(flag.usage)", 16))  \(flag.help)\n" }
        text += "\nSettings:\n"
        for entry in table.entries {
            text += "  --\(entry.name)  \(Self.facts(entry))\n"
            text += Self.wrapped(entry.help, indent: "      ", width: width)
        }
        return text
    }

    /// What is in force, where each value came from, and a name to override it by.
    func print(_ config: ConfigReader) -> String {
        let rows = table.entries.map { entry in
            let (value, source) = config.effective(entry)
            return (setting: "\(entry.name) = \(value.isEmpty ? "\"\"" : value)", source: source.description)
        }
        let column = min(rows.map(\.setting.count).max() ?? 0, 60)
        return rows.map { Self.padded($0.setting, column) + "  # \($0.source)\n" }.joined()
    }

    /// Columns of the terminal on standard output; 80 when it is none.
    static var terminalWidth: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 else { return 80 }
        return Int(size.ws_col)
    }

    private static func facts(_ entry: any ConfigEntry) -> String {
        var facts = [entry.typeText]
        if let range = entry.rangeText { facts.append(range) }
        if entry.isSecret { facts.append("secret") }
        switch entry.defaultText {
        case nil: facts.append("required")
        case "": break
        case let text?: facts.append(entry.isSecret ? "has a default" : "default \(text)")
        }
        return "(\(facts.joined(separator: "; ")))"
    }

    private static func nested(_ name: String, _ value: String) -> String {
        let parts = name.split(separator: ".")
        return parts.dropLast().map { "\"\($0)\": {" }.joined() + "\"\(parts.last ?? "")\": \"\(value)\""
            + String(repeating: "}", count: max(0, parts.count - 1))
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    static func wrapped(_ text: String, indent: String, width: Int) -> String {
        var lines: [String] = []
        var line = indent
        for word in text.split(separator: " ") {
            if line.count > indent.count, line.count + 1 + word.count > width {
                lines.append(line)
                line = indent
            }
            line += line.count == indent.count ? String(word) : " \(word)"
        }
        return (lines + [line]).joined(separator: "\n") + "\n"
    }
}

extension ConfigReader {
    struct Flag: Sendable {
        let name: String
        let usage: String
        let help: String
    }

    /// What the command line knows besides settings.
    static let flags = [
        Flag(name: "config", usage: "config FILE", help: "read settings from a JSON file"),
        Flag(name: "print-config", usage: "print-config", help: "show what is in force and where it comes from, then exit"),
        Flag(name: "version", usage: "version", help: "print the version, then exit"),
        Flag(name: "help", usage: "help", help: "print this text, then exit"),
    ]
}
