import FoundationEssentials
import Glibc

/// The `main` of every service.
public enum ServiceMain {
    /// Runs the service with the arguments and the environment of the process until SIGTERM or SIGINT, then exits: 0 after an orderly
    /// stop, 1 after a failure, 64 when the settings are wrong, 128 + signal when a second signal cut the stop short.
    public static func run(_ blueprint: ServiceBlueprint) async -> Never {
        await run(blueprint, arguments: Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
    }

    static func run(
        _ blueprint: ServiceBlueprint, arguments: [String], environment: [String: String], started: @Sendable (Int) -> Void = { _ in }
    ) async -> Never {
        let shutdown = ShutdownSignal()
        let signals = TerminationSignals { shutdown.request() }
        let code = await ServiceStartup(blueprint, arguments: arguments, environment: environment).run(until: shutdown, started: started)
        signals.cancel()
        exit(code)
    }
}
