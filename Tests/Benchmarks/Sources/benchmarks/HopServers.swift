import Foundation

/// A program that the benchmark starts; its output goes to a file.
final class Program {
    let name: String
    private let process = Process()
    private let log: URL

    init(_ name: String, _ executable: String, _ arguments: [String], folder: URL, environment: [String: String] = [:]) throws {
        self.name = name
        log = folder.appendingPathComponent("\(name)-\(UUID().uuidString.prefix(6)).log")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    /// Path of another program of this package.
    static func built(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw BenchmarkFailure("\(name) is not built: swift build -c release --package-path Tests/Benchmarks")
        }
        return path
    }

    var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }
    var isRunning: Bool { process.isRunning }

    /// User and system time so far, of all threads (proc(5), clock ticks of 10 ms).
    func cpuSeconds() throws -> Double { try Self.cpuSeconds(of: process.processIdentifier) }

    static func cpuSeconds(of process: Int32) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
            throw BenchmarkFailure("cannot read the CPU time of process \(process)")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    func residentMegabytes() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kilobytes = line?.split(separator: " ").compactMap({ Double($0) }).first else {
            throw BenchmarkFailure("cannot read the memory of \(name)")
        }
        return kilobytes / 1_024
    }

    func waitFor(_ what: String, seconds: Double = 60, _ condition: () -> Bool) throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while !condition() {
            guard process.isRunning, .now < end else { throw BenchmarkFailure("\(name): no “\(what)” within \(seconds) s:\n\(output)") }
            usleep(20_000)
        }
    }

    /// Until the process has next to nothing to do.
    func waitUntilQuiet() throws {
        var before = try cpuSeconds()
        while true {
            sleep(1)
            let now = try cpuSeconds()
            if now - before < 0.03 { return }
            before = now
        }
    }

    @discardableResult
    func end(_ signal: Int32 = SIGTERM) -> String {
        if process.isRunning { kill(process.processIdentifier, signal) }
        process.waitUntilExit()
        return output
    }

    func finish() throws -> String {
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchmarkFailure("\(name) ended with \(process.terminationStatus):\n\(output)") }
        return output
    }
}

/// One Mosquitto and one Apache Kafka on loopback, with data in a temporary folder.
final class HopServers {
    let folder: URL
    let mqttPort = 31_883
    let kafkaPort = 39_092
    let bootstrap: String
    let mosquitto: Program
    let kafka: Program

    init(kafkaHome: String) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("hop-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        bootstrap = "127.0.0.1:\(kafkaPort)"
        mosquitto = try Self.startMosquitto(folder, mqttPort)
        kafka = try Self.startKafka(folder, kafkaHome, kafkaPort)
        for topic in ["telemetry", "device-events", "dead-letters", "registry.devices", "registry.types", "bare"] {
            try Self.run(
                folder, "\(kafkaHome)/bin/kafka-topics.sh",
                ["--bootstrap-server", bootstrap, "--create", "--topic", topic, "--partitions", "12", "--replication-factor", "1"])
        }
    }

    func end() {
        mosquitto.end(SIGKILL)
        kafka.end(SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }

    private static func startMosquitto(_ folder: URL, _ port: Int) throws -> Program {
        let file = folder.appendingPathComponent("mosquitto.conf")
        let lines = [
            "listener \(port) 127.0.0.1", "allow_anonymous true", "max_inflight_messages 2000", "max_queued_messages 0",
            "set_tcp_nodelay true",
            "persistence false", "log_dest stderr", "log_type error",
        ]
        try lines.joined(separator: "\n").appending("\n").write(to: file, atomically: true, encoding: .utf8)
        return try Program("mosquitto", "/usr/sbin/mosquitto", ["-c", file.path], folder: folder)
    }

    private static func startKafka(_ folder: URL, _ home: String, _ port: Int) throws -> Program {
        let file = folder.appendingPathComponent("kafka.properties")
        let (broker, controller) = ("127.0.0.1:\(port)", "127.0.0.1:\(port + 1)")
        let lines = [
            "process.roles=broker,controller", "node.id=1", "controller.quorum.bootstrap.servers=\(controller)",
            "listeners=PLAINTEXT://\(broker),CONTROLLER://\(controller)", "advertised.listeners=PLAINTEXT://\(broker)",
            "controller.listener.names=CONTROLLER", "log.dirs=\(folder.path)/kafka", "offsets.topic.replication.factor=1",
            "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
        ]
        try lines.joined(separator: "\n").appending("\n").write(to: file, atomically: true, encoding: .utf8)
        let identity = try run(folder, "\(home)/bin/kafka-storage.sh", ["random-uuid"]).split(separator: "\n").last.map(String.init) ?? ""
        try run(folder, "\(home)/bin/kafka-storage.sh", ["format", "--standalone", "-t", identity, "-c", file.path])
        let kafka = try Program(
            "kafka", "\(home)/bin/kafka-server-start.sh", [file.path], folder: folder,
            environment: ["KAFKA_HEAP_OPTS": "-Xmx512m", "LOG_DIR": folder.path])
        try kafka.waitFor("Kafka Server started") { kafka.output.contains("Kafka Server started") }
        return kafka
    }

    @discardableResult
    private static func run(_ folder: URL, _ executable: String, _ arguments: [String]) throws -> String {
        try Program(
            URL(fileURLWithPath: executable).lastPathComponent, executable, arguments, folder: folder, environment: ["LOG_DIR": folder.path]
        ).finish()
    }
}
