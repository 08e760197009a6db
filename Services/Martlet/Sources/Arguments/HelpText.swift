/// Help as text: what it does, examples first, then every option with its default.
enum HelpText {
    static func render(_ command: Command, path: String) -> String {
        var text = "\(path) — \(command.summary)\n"
        if !command.discussion.isEmpty { text += "\n\(command.discussion)\n" }
        text += "\nUSAGE\n  \(usage(command, path: path))\n"
        if !command.examples.isEmpty {
            text += "\nEXAMPLES\n"
            for example in command.examples { text += "  \(example.line)\n      \(example.meaning)\n" }
        }
        if !command.subcommands.isEmpty {
            text += "\nCOMMANDS\n" + table(command.subcommands.map { ($0.name, $0.summary) })
            text += "\n'\(path) help COMMAND' explains one of them.\n"
        }
        if !command.positionals.isEmpty {
            text += "\nARGUMENTS\n" + table(command.positionals.map { ($0.name, $0.help) })
        }
        if command.run != nil {
            text += "\nOPTIONS\n" + table(command.options.map(row) + [("--help", "This text.")])
            text += "\nEXIT CODES\n  \(exitCodes)\n"
        }
        return text
    }

    static let exitCodes =
        "0 done · 1 verification failed · 64 usage · 65 unreadable input · 69 a server is not available · 70 internal error"

    private static func usage(_ command: Command, path: String) -> String {
        guard command.run != nil else { return "\(path) COMMAND [options]" }
        let words = command.positionals.map { $0.isOptional ? "[\($0.name)]" : $0.name }
        return ([path] + words + ["[options]"]).joined(separator: " ")
    }

    private static func row(_ option: OptionDeclaration) -> (String, String) {
        let left = option.placeholder.map { "--\(option.name) \($0)" } ?? "--\(option.name)"
        var right = option.help
        if !option.words.isEmpty { right += " One of \(option.words.joined(separator: ", "))." }
        if let text = option.defaultText { right += " Default: \(text)." }
        if let key = option.environment { right += " Environment: \(key)." }
        return (left, right)
    }

    /// Two columns; the right one is folded at 100 characters.
    static func table(_ rows: [(String, String)]) -> String {
        let width = min(28, (rows.map(\.0.count).max() ?? 0) + 2)
        var text = ""
        for (left, right) in rows {
            let lines = fold(right, at: 100 - width)
            let pad = String(repeating: " ", count: max(1, width - left.count))
            if left.count >= width {
                text += "  \(left)\n" + String(repeating: " ", count: width + 2) + "\(lines[0])\n"
            } else {
                text += "  \(left)\(pad)\(lines[0])\n"
            }
            for line in lines.dropFirst() { text += String(repeating: " ", count: width + 2) + line + "\n" }
        }
        return text
    }

    private static func fold(_ text: String, at width: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
