import Glibc
public import Logging
import Metrics

/// The start-up of every service: settings, logs, metrics, the HTTP listener, the group, the exit code.
///
/// `ServiceMain` is this with the process around it; tests call it with their own arguments, sink and signal.
public struct ServiceStartup: Sendable {
    public enum ExitCode {
        public static let success: Int32 = 0
        /// A part of the service failed or did not finish in time; the log says which and why.
        public static let failure: Int32 = 1
        /// The command line, the environment or the file is wrong (EX_USAGE of sysexits.h).
        public static let usage: Int32 = 64
    }

    private let blueprint: ServiceBlueprint
    private let arguments: [String]
    private let environment: [String: String]
    private let sink: LogSink?
    private let output: @Sendable (String) -> Void
    private let complaint: @Sendable (String) -> Void

    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - sink: where events go; nil sets up the process-wide log on standard error.
    ///   - output: takes what `--help`, `--version` and `--print-config` say; nil is standard output.
    ///   - complaint: takes what is wrong with the settings; nil is standard error.
    public init(
        _ blueprint: ServiceBlueprint, arguments: [String], environment: [String: String] = [:], sink: LogSink? = nil,
        output: (@Sendable (String) -> Void)? = nil, complaint: (@Sendable (String) -> Void)? = nil
    ) {
        self.blueprint = blueprint
        self.arguments = arguments
        self.environment = environment
        self.sink = sink
        self.output = output ?? { Self.write($0, to: STDOUT_FILENO) }
        self.complaint = complaint ?? { Self.write($0, to: STDERR_FILENO) }
    }

    /// Runs the service until it is asked to finish or fails.
    /// - Parameter started: called with the HTTP port as soon as it is open.
    /// - Returns: the exit code.
    public func run(until shutdown: ShutdownSignal, started: @Sendable (Int) -> Void = { _ in }) async -> Int32 {
        let words = Set(arguments)
        let help = ConfigHelp(name: blueprint.name, version: BuildInfo.version, summary: blueprint.summary, table: blueprint.table)
        if !words.isDisjoint(with: ["--help", "-h"]) {
            output(help.help(width: ConfigHelp.terminalWidth))
            return ExitCode.success
        }
        if words.contains("--version") {
            output("\(blueprint.name) \(BuildInfo.version)\n")
            return ExitCode.success
        }
        do {
            let config = try ConfigReader(
                blueprint.table, arguments: arguments.filter { $0 != "--print-config" }, environment: environment)
            if words.contains("--print-config") {
                output(help.print(config))
                return ExitCode.success
            }
            return try await run(config, until: shutdown, started: started)
        } catch {
            let lines = error.problems.map { "\(blueprint.name): \($0)\n" }
            complaint(lines.joined() + "\(blueprint.name): --help explains every setting\n")
            return ExitCode.usage
        }
    }

    /// A reader that went away, as `--help | head` does, ends the text and nothing else.
    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }

    private func run(_ config: ConfigReader, until shutdown: ShutdownSignal, started: @Sendable (Int) -> Void) async throws(ConfigError)
        -> Int32
    {
        let level = Logger.Level(config[StandardKeys.logLevel]) ?? .info
        if sink == nil { Logger.bootstrap(level: level) }
        let context = ServiceContext(
            name: blueprint.name, logger: Logger(label: blueprint.name, level: sink.map { _ in level }, sink: sink))
        let logger = context.logger
        for warning in config.warnings { logger.warning(warning) }
        ProcessMetrics.register(in: context.metrics, service: blueprint.name, version: BuildInfo.version)
        do {
            let parts = try blueprint.build(config, context)
            let probe = ReadinessProbe(parts.readiness, shutdown: shutdown, clock: context.clock)
            let listener = try HTTPListener(blueprint, config, context, parts, probe)
            try listener.open()
            logger.info(
                "started",
                metadata: ["version": BuildInfo.version, "httpHost": config[StandardKeys.httpHost], "httpPort": "\(listener.port)"])
            started(listener.port)
            let hook = shutdown.onShutdown { logger.info("shutting down") }
            defer { shutdown.removeHook(hook) }
            let grace = config[StandardKeys.shutdownGrace]
            try await ServiceGroup(parts.services + [listener], grace: grace, logger: logger, clock: context.clock).run(until: shutdown)
            logger.info("stopped")
            return ExitCode.success
        } catch let error as ConfigError {
            throw error
        } catch {
            logger.critical("stopped by a failure: \(error)")
            return ExitCode.failure
        }
    }
}
