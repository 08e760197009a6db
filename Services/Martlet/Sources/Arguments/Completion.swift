/// Shell completion scripts, written from the command declarations.
enum Completion {
    enum Shell: String, CaseIterable, ArgumentValue { case bash, zsh, fish }

    static func script(for shell: Shell, root: Command) -> String {
        switch shell {
        case .bash: bash(root)
        case .zsh: "#compdef \(root.name)\nautoload -U +X bashcompinit && bashcompinit\n" + bash(root)
        case .fish: fish(root)
        }
    }

    /// Every command that runs, with the words that lead to it.
    private static func leaves(_ command: Command, _ path: [String] = []) -> [(path: [String], command: Command)] {
        command.subcommands.flatMap { child in
            child.run == nil ? leaves(child, path + [child.name]) : [(path + [child.name], child)]
        }
    }

    private static func bash(_ root: Command) -> String {
        var cases = ""
        var values = ""
        for (path, command) in leaves(root) {
            let key = path.joined(separator: " ")
            let options = command.options.map { "--" + $0.name } + ["--help"]
            let words = command.positionals.first?.words ?? []
            let files = command.positionals.contains { $0.completesFiles } ? " -f" : ""
            cases += "    \"\(key)\"*) COMPREPLY=($(compgen\(files) -W \"\((options + words).joined(separator: " "))\" -- \"$cur\"));;\n"
            for option in command.options where option.placeholder != nil {
                let how = option.completesFiles ? "-f" : "-W \"\(option.words.joined(separator: " "))\""
                values += "    \"\(key) --\(option.name)\") COMPREPLY=($(compgen \(how) -- \"$cur\")); return;;\n"
            }
        }
        let tree = root.subcommands.map { child in
            child.subcommands.isEmpty
                ? ""
                : "    \"\(child.name)\") COMPREPLY=($(compgen -W \"\(child.subcommands.map(\.name).joined(separator: " "))\" -- \"$cur\"));;\n"
        }.joined()
        let names = (root.subcommands.map(\.name) + ["help"]).joined(separator: " ")
        return """
            _\(root.name)() {
              local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path="" word
              for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                case "$word" in -*) break;; *) path="${path:+$path }$word";; esac
              done
              case "$path $prev" in
            \(values)  esac
              case "$path" in
                ""|help) COMPREPLY=($(compgen -W "\(names)" -- "$cur"));;
            \(tree)\(cases)  esac
            }
            complete -F _\(root.name) \(root.name)

            """
    }

    private static func fish(_ root: Command) -> String {
        var lines = ["complete -c \(root.name) -f"]
        for command in root.subcommands {
            lines.append("complete -c \(root.name) -n __fish_use_subcommand -a \(command.name) -d \(quoted(command.summary))")
            for child in command.subcommands {
                lines.append(
                    "complete -c \(root.name) -n '__fish_seen_subcommand_from \(command.name)' -a \(child.name) -d \(quoted(child.summary))"
                )
            }
        }
        for (path, command) in leaves(root) {
            let condition = path.map { "__fish_seen_subcommand_from \($0)" }.joined(separator: "; and ")
            let prefix = "complete -c \(root.name) -n '\(condition)'"
            if let words = command.positionals.first?.words, !words.isEmpty {
                lines.append("\(prefix) -a '\(words.joined(separator: " "))'")
            }
            for option in command.options {
                var line = "\(prefix) -l \(option.name) -d \(quoted(option.help))"
                if option.placeholder != nil { line += option.completesFiles ? " -r -F" : " -x" }
                if !option.words.isEmpty { line += " -a '\(option.words.joined(separator: " "))'" }
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "\\'") + "'" }
}
