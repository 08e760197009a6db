import Foundation

enum HopContestant: String, CaseIterable {
    case plain = "bare C"
    case corked = "bare C, corked"
    case ingestion
}

/// Servers, programs and options that the hop's benchmarks share.
struct HopBench {
    let servers: HopServers
    let options: Options
    /// The service's binary.
    let ingestion: String
    let messages: Int
    let rounds: Int
    /// 100 devices: about 20 readings of each in a full batch, which share records. 10,000: next to none do.
    let deviceCounts: [Int]
    private let httpPort = 38_081

    /// µs of CPU per message.
    struct Cost {
        let own: Double
        let mosquitto: Double
        let kafka: Double
        /// From the first message sent until the broker had acknowledged the last, in seconds.
        let seconds: Double
    }

    init(_ servers: HopServers, _ options: Options) {
        self.servers = servers
        self.options = options
        ingestion = options["--ingestion"] ?? ".build/release/ingestion"
        messages = options.number("--messages") ?? 100_000
        rounds = options.number("--rounds") ?? 5
        deviceCounts = options.number("--devices").map { [$0] } ?? [100, 10_000]
    }

    func measure(_ contestant: HopContestant, devices: Int) throws -> Cost {
        let program = try start(contestant)
        try program.waitUntilQuiet()
        let all = [program, servers.mosquitto, servers.kafka]
        let before = try all.map { try $0.cpuSeconds() }
        let load = try load(messages, devices: devices, rate: 0)
        try program.waitUntilQuiet()
        let spent = zip(try all.map { try $0.cpuSeconds() }, before).map { ($0 - $1) * 1e6 / Double(messages) }
        let count = contestant == .ingestion ? try produced() : nil
        let output = program.end()
        let brought = count ?? Int(output.split(separator: "\n").last ?? "") ?? -1
        guard brought == messages else { throw BenchmarkFailure("\(contestant.rawValue) brought \(brought) of \(messages) messages") }
        // The session ends one second after its connection: the next contestant gets none of its messages.
        sleep(3)
        return Cost(own: spent[0], mosquitto: spent[1], kafka: spent[2], seconds: load[1])
    }

    /// - Returns: what the load program prints.
    @discardableResult
    func load(_ messages: Int, devices: Int, rate: Int, measuringArrival: Bool = false) throws -> [Double] {
        let kafka = measuringArrival ? [servers.bootstrap, "telemetry"] : []
        let output = try Program(
            "load", Program.built("hop-load"), ["\(servers.mqttPort)", "\(messages)", "\(devices)", "\(rate)"] + kafka,
            folder: servers.folder
        ).finish()
        let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        guard numbers.count == (measuringArrival ? 5 : 2) else { throw BenchmarkFailure("hop-load printed: \(output)") }
        return numbers
    }

    func start(_ contestant: HopContestant) throws -> Program {
        let port = "\(servers.mqttPort)"
        switch contestant {
        case .plain, .corked:
            let program = try Program(
                "baseline", Program.built("hop-baseline"),
                [port, servers.bootstrap, "bare", "hop", "$share/hop/sensor/+/telemetry", contestant == .corked ? "cork" : "plain"],
                folder: servers.folder)
            try program.waitFor("subscribed") { program.output.contains("subscribed") }
            return program
        case .ingestion:
            let program = try Program(
                "ingestion", ingestion,
                [
                    "--mqtt.port", port, "--kafka.bootstrap", servers.bootstrap, "--auth", "off", "--http.port", "\(httpPort)",
                    "--mqtt.client-id", "hop",
                    "--mqtt.session-expiry", "1s", "--identity", "open",
                ] + (options["--settings"]?.split(separator: " ").map(String.init) ?? []), folder: servers.folder)
            try program.waitFor("subscribed") { program.output.contains("\"subscribed\"") }
            return program
        }
    }

    /// Messages whose records Kafka has acknowledged, as ingestion counts them.
    func produced() throws -> Int {
        let answer = try Program("curl", "/usr/bin/curl", ["-s", "http://127.0.0.1:\(httpPort)/metrics"], folder: servers.folder).finish()
        let line = answer.split(separator: "\n").first { $0.hasPrefix("iot_mqtt_messages_produced_total ") }
        return line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? -1
    }
}

/// `--name value` pairs of the command line.
struct Options {
    let arguments: [String]
    subscript(_ name: String) -> String? {
        arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
    }
    func number(_ name: String) -> Int? { self[name].flatMap(Int.init) }
    func has(_ name: String) -> Bool { arguments.contains(name) }
}

/// Starts Mosquitto and Apache Kafka for `body`.
func withHopServers(_ body: (HopServers) throws -> Void) throws {
    guard let home = ProcessInfo.processInfo.environment["KAFKA_HOME"], !home.isEmpty else {
        throw BenchmarkFailure("set KAFKA_HOME to an unpacked Apache Kafka 4 (Java 17)")
    }
    let servers = try HopServers(kafkaHome: home)
    defer { servers.end() }
    try body(servers)
}

func withHopBench(_ arguments: [String], _ body: (HopBench) throws -> Void) throws {
    try withHopServers { try body(HopBench($0, Options(arguments: arguments))) }
}
