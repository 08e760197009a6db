import Spelling

/// One subcommand: what it takes, how it is explained, what it does.
struct Command: Sendable {
    let name: String
    let summary: String
    var discussion: String = ""
    var examples: [Example] = []
    var positionals: [Positional] = []
    var options: [OptionDeclaration] = []
    var subcommands: [Command] = []
    /// Returns the exit code. `nil` for a command that only holds subcommands.
    var run: (@Sendable (Arguments) throws -> ExitCode)?

    struct Example: Sendable {
        let line: String
        let meaning: String
        init(_ line: String, _ meaning: String) {
            self.line = line
            self.meaning = meaning
        }
    }
}

/// How the tool ends; the numbers are those of sysexits.h where it has one.
struct ExitCode: Equatable, Sendable {
    let number: Int32
    static let success = ExitCode(number: 0)
    /// The check was made and its answer is no: something is lost, doubled, invented or wrong.
    static let verificationFailed = ExitCode(number: 1)
    static let usage = ExitCode(number: 64)
    /// A line or a file that was given cannot be read.
    static let badInput = ExitCode(number: 65)
    static let unavailable = ExitCode(number: 69)
    static let internalError = ExitCode(number: 70)
}

/// An end with a reason: one line for people, on stderr.
struct ToolError: Error, CustomStringConvertible {
    let code: ExitCode
    let description: String

    init(_ code: ExitCode, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// The words given to one command, already held against its declarations.
struct Arguments: Sendable {
    let command: String
    fileprivate(set) var values: [String: String] = [:]
    fileprivate(set) var flags: Set<String> = []
    fileprivate(set) var positionals: [String] = []

    init(command: String) { self.command = command }

    func has(_ flag: Flag) -> Bool { flags.contains(flag.name) }

    func optional<Value>(_ option: Option<Value>) throws -> Value? {
        guard let word = values[option.name] else { return option.fallback }
        do {
            return try option.parse(word)
        } catch {
            throw UsageError(command, "--\(option.name): '\(word)' is not \(error.expected)")
        }
    }

    func value<Value>(_ option: Option<Value>) throws -> Value {
        guard let value = try optional(option) else {
            throw UsageError(command, "--\(option.name) \(option.placeholder) is needed: \(option.help)")
        }
        return value
    }
}

/// The command line cannot be understood: exit code 64 and where to look.
struct UsageError: Error, Equatable, CustomStringConvertible {
    let command: String
    let reason: String

    init(_ command: String, _ reason: String) {
        self.command = command
        self.reason = reason
    }

    var description: String { "\(command): \(reason)\nTry: \(command) --help" }
}

/// What a command line asks for.
enum Invocation: Sendable {
    case run(Command, Arguments)
    case help(Command, path: String)
    case version
}

/// Turns words into an `Invocation`. Pure: environment in, nothing printed.
struct ArgumentParser: Sendable {
    let root: Command
    let environment: [String: String]

    func parse(_ words: [String]) throws(UsageError) -> Invocation {
        var command = root
        var path = root.name
        var rest = words[...]
        while command.run == nil {
            guard let word = rest.popFirst() else { return .help(command, path: path) }
            switch word {
            case "--help", "-h": return .help(command, path: path)
            case "--version" where path == root.name: return .version
            case "help" where path == root.name: return try help(rest)
            default:
                command = try subcommand(word, of: command, path: path)
                path += " " + command.name
            }
        }
        return try arguments(rest, for: command, path: path)
    }

    private func help(_ words: ArraySlice<String>) throws(UsageError) -> Invocation {
        var command = root
        var path = root.name
        for word in words where !word.hasPrefix("-") {
            command = try subcommand(word, of: command, path: path)
            path += " " + command.name
        }
        return .help(command, path: path)
    }

    private func subcommand(_ word: String, of command: Command, path: String) throws(UsageError) -> Command {
        if let found = command.subcommands.first(where: { $0.name == word }) { return found }
        let names = command.subcommands.map(\.name)
        let kind = word.hasPrefix("-") ? "option" : "command"
        let hint = NearestName.among(names, to: word).map { "; did you mean '\($0)'?" } ?? "; there are \(names.joined(separator: ", "))"
        throw UsageError(path, "unknown \(kind) '\(word)'\(hint)")
    }

    private func arguments(_ words: ArraySlice<String>, for command: Command, path: String) throws(UsageError) -> Invocation {
        var arguments = Arguments(command: path)
        try fillFromEnvironment(&arguments, command)
        var rest = words
        var onlyPositionals = false
        while let word = rest.popFirst() {
            if onlyPositionals || !word.hasPrefix("-") || word == "-" {
                arguments.positionals.append(word)
            } else if word == "--" {
                onlyPositionals = true
            } else if word == "--help" || word == "-h" {
                return .help(command, path: path)
            } else {
                try option(word, &rest, into: &arguments, command)
            }
        }
        try check(arguments.positionals, command, path)
        return .run(command, arguments)
    }

    private func fillFromEnvironment(_ arguments: inout Arguments, _ command: Command) throws(UsageError) {
        for option in command.options {
            guard let key = option.environment, let word = environment[key], !word.isEmpty else { continue }
            if let problem = option.problem(word) {
                throw UsageError(arguments.command, "environment variable \(key): '\(word)' is not \(problem.expected)")
            }
            arguments.values[option.name] = word
        }
    }

    private func option(
        _ word: String, _ rest: inout ArraySlice<String>, into arguments: inout Arguments, _ command: Command
    ) throws(UsageError) {
        let path = arguments.command
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0].drop(while: { $0 == "-" }))
        guard word.hasPrefix("--"), let declared = command.options.first(where: { $0.name == name }) else {
            let names = command.options.map { "--" + $0.name } + ["--help"]
            let hint = NearestName.among(names, to: String(parts[0])).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(path, "unknown option \(parts[0])\(hint)")
        }
        guard let placeholder = declared.placeholder else {
            guard parts.count == 1 else { throw UsageError(path, "--\(name) takes no value") }
            arguments.flags.insert(name)
            return
        }
        let value: String
        if parts.count == 2 {
            value = String(parts[1])
        } else if let next = rest.first, !(next.hasPrefix("--") && next.count > 2) {
            value = next
            rest.removeFirst()
        } else {
            throw UsageError(path, "--\(name) needs a value: --\(name) \(placeholder)")
        }
        if let problem = declared.problem(value) {
            throw UsageError(path, "--\(name): '\(value)' is not \(problem.expected)")
        }
        arguments.values[name] = value
    }

    private func check(_ words: [String], _ command: Command, _ path: String) throws(UsageError) {
        let declared = command.positionals
        if words.count > declared.count {
            throw UsageError(path, "unexpected '\(words[declared.count])'")
        }
        for (index, positional) in declared.enumerated() {
            guard index < words.count else {
                if positional.isOptional { return }
                throw UsageError(path, "\(positional.name) is missing: \(positional.help)")
            }
            guard positional.words.isEmpty || positional.words.contains(words[index]) else {
                let hint =
                    NearestName.among(positional.words, to: words[index]).map { "; did you mean \($0)?" }
                    ?? "; it is one of \(positional.words.joined(separator: ", "))"
                throw UsageError(path, "unknown \(positional.name) '\(words[index])'\(hint)")
            }
        }
    }
}
