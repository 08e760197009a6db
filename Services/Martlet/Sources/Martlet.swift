import Foundation
import KafkaClient
import Logging
import MQTTClient
import PostgresClient

/// The operator's tool.
public enum Martlet {
    static let version = "0.1.0"

    static let root: Command = Command(
        name: "martlet", summary: "the operator's tool of the Martlet IoT platform",
        examples: [
            .init("martlet simulate --for 60 --ledger run.ledger", "let 1,000 simulated devices send for a minute"),
            .init("martlet verify --ledger run.ledger --wait 30", "prove that nothing was lost or doubled on the way to the database"),
            .init("martlet tail telemetry", "watch what arrives on Kafka, decoded"),
        ],
        subcommands: [
            SimulateCommand.command, VerifyCommand.command, TailCommand.command, PublishCommand.command, TopicsCommand.command,
            TokensCommand.command, KeysCommand.command, PKICommand.command, BenchCommand.command, completion,
        ])

    private static let completion: Command = Command(
        name: "completion", summary: "print the completion script for a shell",
        examples: [
            .init("martlet completion bash > /etc/bash_completion.d/martlet", "for all users"),
            .init("source <(martlet completion zsh)", "for this shell"),
        ],
        positionals: [Positional(name: "SHELL", help: "bash, zsh or fish.", isOptional: false, words: Completion.Shell.words)]
    ) { arguments in
        guard let shell = Completion.Shell(rawValue: arguments.positionals[0]) else { return .usage }
        _ = try OutputLines().write(Completion.script(for: shell, root: root))
        return .success
    }

    /// Runs the tool to its end.
    /// - Parameter words: the command line without the program's name.
    /// - Returns: the exit code.
    public static func run(_ words: [String], environment: [String: String]) -> Int32 {
        // librdkafka's own lines are for services; what matters here comes as an error with its reason.
        Logger.bootstrap(level: .critical)
        do {
            switch try ArgumentParser(root: root, environment: environment).parse(words) {
            case .version: _ = try OutputLines().write("martlet \(version)")
            case .help(let command, let path): _ = try OutputLines().write(String(HelpText.render(command, path: path).dropLast()))
            case .run(let command, let arguments): return try (command.run?(arguments) ?? .usage).number
            }
            return ExitCode.success.number
        } catch {
            standardError("\(message(error))\n")
            return code(error).number
        }
    }

    private static func message(_ error: any Error) -> String { error is UsageError ? "\(error)" : "martlet: \(error)" }

    private static func code(_ error: any Error) -> ExitCode {
        switch error {
        case is UsageError: .usage
        case let error as ToolError: error.code
        case is KafkaError, is PostgresError, is MQTTError: .unavailable
        default: .internalError
        }
    }
}
