import Testing

@testable import MartletTool

@Suite("The command line")
struct ArgumentParserTests {
    static let count = Option<Int>("count", "N", default: 7, in: 1...10, help: "How many.")
    static let server = Option<HostPort>("server", "HOST:PORT", environment: "TEST_SERVER", help: "Where.")
    static let loud = Flag("loud", help: "Shout.")
    static let root = Command(
        name: "tool", summary: "a tool",
        subcommands: [
            Command(
                name: "fetch", summary: "fetch it",
                positionals: [Positional(name: "COLOUR", help: "which", isOptional: false, words: ["red", "green"])],
                options: [count.declaration, server.declaration, loud.declaration], run: { _ in .success }),
            Command(name: "group", summary: "more", subcommands: [Command(name: "inner", summary: "inside", run: { _ in .success })]),
        ])

    private func parse(_ line: String, environment: [String: String] = [:]) throws -> Invocation {
        try ArgumentParser(root: Self.root, environment: environment).parse(line.split(separator: " ").map(String.init))
    }

    private func arguments(_ line: String, environment: [String: String] = [:]) throws -> Arguments {
        guard case .run(_, let arguments) = try parse(line, environment: environment) else {
            throw UsageError("test", "not a run: \(line)")
        }
        return arguments
    }

    private func problem(_ line: String, environment: [String: String] = [:]) -> String {
        do {
            _ = try parse(line, environment: environment)
            return "no problem"
        } catch {
            return "\(error)"
        }
    }

    @Test("values come from the command line, else the environment, else the declaration")
    func precedence() throws {
        #expect(try arguments("fetch red").value(Self.count) == 7)
        #expect(try arguments("fetch red --count 3").value(Self.count) == 3)
        #expect(try arguments("fetch --count=1_0 red").value(Self.count) == 10)
        let environment = ["TEST_SERVER": "a:1"]
        #expect(try arguments("fetch red", environment: environment).value(Self.server) == HostPort(host: "a", port: 1))
        #expect(try arguments("fetch red --server b:2", environment: environment).value(Self.server) == HostPort(host: "b", port: 2))
        #expect(try arguments("fetch red").optional(Self.server) == nil)
        #expect(throws: UsageError.self) { try arguments("fetch red").value(Self.server) }
    }

    @Test("flags, the end of options, and words in any order")
    func wordsAndFlags() throws {
        let parsed = try arguments("fetch --loud green --count 2")
        #expect(parsed.has(Self.loud))
        #expect(parsed.positionals == ["green"])
        #expect(try arguments("fetch -- red").positionals == ["red"])
        #expect(!(try arguments("fetch red").has(Self.loud)))
    }

    @Test(
        "a mistake is named, with what was probably meant",
        arguments: [
            ("fetch red --cuont 3", "unknown option --cuont; did you mean --count?"),
            ("fetch rad", "unknown COLOUR 'rad'; did you mean red?"),
            ("fetch blue-ish-or-so", "it is one of red, green"),
            ("fetch", "COLOUR is missing: which"),
            ("fetch red green", "unexpected 'green'"),
            ("fetch red --count", "--count needs a value: --count N"),
            ("fetch red --count --loud", "--count needs a value"),
            ("fetch red --count many", "'many' is not a whole number such as 1000"),
            ("fetch red --count 11", "'11' is not between 1 and 10"),
            ("fetch red --loud=yes", "--loud takes no value"),
            ("fetch red --server nowhere", "'nowhere' is not host:port"),
            ("fetch red --server a:70000", "'a:70000' is not host:port"),
            ("fecth", "unknown command 'fecth'; did you mean 'fetch'?"),
            ("zzzzzzz", "there are fetch, group"),
            ("group innr", "unknown command 'innr'; did you mean 'inner'?"),
            ("help fetc", "did you mean 'fetch'?"),
        ])
    func mistakes(line: String, expected: String) {
        let text = problem(line)
        #expect(text.contains(expected), "\(text)")
        #expect(text.contains("Try: tool"))
    }

    @Test("a bad environment variable is named as such")
    func badEnvironment() {
        #expect(problem("fetch red", environment: ["TEST_SERVER": "x"]).contains("environment variable TEST_SERVER: 'x' is not host:port"))
    }

    @Test(
        "help is found from everywhere",
        arguments: ["", "--help", "help", "fetch --help", "help fetch", "fetch red -h", "group", "group inner --help"])
    func help(line: String) throws {
        guard case .help(let command, let path) = try parse(line) else {
            Issue.record("no help for '\(line)'")
            return
        }
        #expect(HelpText.render(command, path: path).contains("USAGE"))
    }

    @Test("version only at the top")
    func version() throws {
        guard case .version = try parse("--version") else {
            Issue.record("no version")
            return
        }
        #expect(problem("fetch red --version").contains("unknown option --version"))
    }

    @Test(
        "times are read with and without unit",
        arguments: [("30", 30), ("1.5s", 1.5), ("250ms", 0.25), ("5m", 300), ("2h", 7_200), ("30d", 2_592_000)])
    func times(word: String, seconds: Double) throws { #expect(try Seconds(argument: word).value == seconds) }

    @Test("what is no time is refused", arguments: ["", "s", "-1", "nan", "1w", "ms"])
    func noTimes(word: String) { #expect(throws: ValueProblem.self) { try Seconds(argument: word) } }

    @Test("addresses, also of IPv6")
    func addresses() throws {
        #expect(try HostPort(argument: "[::1]:1883") == HostPort(host: "::1", port: 1_883))
        #expect(try HostPort(argument: "[::1]:1883").argumentText == "[::1]:1883")
    }
}

/// Holds the tool's own declarations against each other.
@Suite("The tool's commands")
struct CommandTreeTests {
    static func leaves(_ command: Command, _ path: String) -> [(path: String, command: Command)] {
        command.run == nil ? command.subcommands.flatMap { leaves($0, "\(path) \($0.name)") } : [(path, command)]
    }

    @Test("every command teaches by example, and every example is understood")
    func examples() throws {
        let parser = ArgumentParser(root: Martlet.root, environment: [:])
        for (path, command) in Self.leaves(Martlet.root, "martlet") {
            #expect(!command.examples.isEmpty, "\(path) has no example")
            for example in command.examples {
                for part in example.line.split(separator: "martlet ").dropFirst(example.line.hasPrefix("martlet") ? 0 : 1) {
                    let words = part.prefix { !"|>&)".contains($0) }.split(separator: " ").map(String.init)
                    #expect(throws: Never.self, "\(example.line)") { try parser.parse(words) }
                }
            }
        }
    }

    @Test("every option says what it does, and its default is a value that it takes")
    func options() {
        for (path, command) in Self.leaves(Martlet.root, "martlet") {
            #expect(Set(command.options.map(\.name)).count == command.options.count, "\(path) declares an option twice")
            for option in command.options {
                #expect(option.help.hasSuffix("."), "\(path) --\(option.name)")
                if let text = option.defaultText { #expect(option.problem(text) == nil, "\(path) --\(option.name)") }
            }
        }
    }

    @Test("completion scripts know every command and option", arguments: Completion.Shell.allCases)
    func completion(shell: Completion.Shell) {
        let script = Completion.script(for: shell, root: Martlet.root)
        for (path, command) in Self.leaves(Martlet.root, "martlet") {
            for word in path.split(separator: " ") { #expect(script.contains(word)) }
            for option in command.options { #expect(script.contains(option.name), "\(path) --\(option.name)") }
        }
    }
}
