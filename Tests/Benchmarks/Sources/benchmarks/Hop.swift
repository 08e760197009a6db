import Foundation

extension Benchmark {
    static let hop = Benchmark(
        name: "hop", summary: "MQTT QoS 1 → acknowledged by Apache Kafka: CPU per message against bare C (needs KAFKA_HOME)"
    ) { arguments in
        guard let home = ProcessInfo.processInfo.environment["KAFKA_HOME"], !home.isEmpty else {
            throw HopFailure("set KAFKA_HOME to an unpacked Apache Kafka 4 (Java 17)")
        }
        let servers = try HopServers(kafkaHome: home)
        defer { servers.end() }
        try Hop(servers, arguments).run()
    }
}

/// Rounds of the same load through three programs in turn: bare C as it stands, bare C with TCP_CORK round its PUBACKs (as
/// ingestion has it), and ingestion. What counts is the CPU time of each, divided by the messages: other work on the machine
/// stretches the wall clock, not that.
private struct Hop {
    let servers: HopServers
    let ingestion: String
    let messages: Int
    let rounds: Int

    enum Contestant: String, CaseIterable {
        case plain = "bare C"
        case corked = "bare C, corked"
        case ingestion
    }

    /// - Parameter arguments: `--ingestion PATH`, `--messages N`, `--rounds N`.
    init(_ servers: HopServers, _ arguments: [String]) {
        func option(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        self.servers = servers
        ingestion = option("--ingestion") ?? ".build/release/ingestion"
        messages = option("--messages").flatMap(Int.init) ?? 100_000
        rounds = option("--rounds").flatMap(Int.init) ?? 5
    }

    func run() throws {
        var costs: [Contestant: [Double]] = [:]
        var broker: [Double] = []
        for round in 1...rounds {
            for contestant in Contestant.allCases {
                let (own, brokers) = try measure(contestant)
                costs[contestant, default: []].append(own)
                broker.append(brokers)
                print("  round \(round)  \(contestant.rawValue.padded(to: 16)) \(format(own, 2)) µs   mosquitto \(format(brokers, 2)) µs")
            }
        }
        print("\nCPU per message, median of \(rounds) rounds of \(messages) messages of 110 bytes")
        let bare = median(costs[.plain] ?? [])
        for contestant in Contestant.allCases {
            let cost = median(costs[contestant] ?? [])
            print("  \(contestant.rawValue.padded(to: 20)) \(format(cost, 2)) µs   \(format(cost / bare, 2)) × bare C")
        }
        print("  \("mosquitto itself".padded(to: 20)) \(format(median(broker), 2)) µs")
        guard median(costs[.ingestion] ?? []) <= 2 * bare else { throw HopFailure("target missed: more than twice the cost of bare C") }
    }

    /// - Returns: µs of CPU per message, of the contestant and of the MQTT broker.
    private func measure(_ contestant: Contestant) throws -> (own: Double, broker: Double) {
        let program = try start(contestant)
        try program.waitUntilQuiet()
        let (before, brokerBefore) = (try program.cpuSeconds(), try servers.mosquitto.cpuSeconds())
        _ = try Program("load", Program.built("hop-load"), ["\(servers.mqttPort)", "\(messages)"], folder: servers.folder).finish()
        try program.waitUntilQuiet()
        let (after, brokerAfter) = (try program.cpuSeconds(), try servers.mosquitto.cpuSeconds())
        try checkCount(contestant, program)
        // The session ends one second after its connection: the next contestant gets none of its messages.
        sleep(3)
        let scale = 1e6 / Double(messages)
        return ((after - before) * scale, (brokerAfter - brokerBefore) * scale)
    }

    private func start(_ contestant: Contestant) throws -> Program {
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
                    "--mqtt.port", port, "--kafka.bootstrap", servers.bootstrap, "--http.port", "\(httpPort)", "--mqtt.client-id", "hop",
                    "--mqtt.session-expiry", "1s",
                ], folder: servers.folder)
            try program.waitFor("subscribed") { program.output.contains("\"subscribed\"") }
            return program
        }
    }

    private let httpPort = 38_081

    private func checkCount(_ contestant: Contestant, _ program: Program) throws {
        let count: Int
        if contestant == .ingestion {
            let answer = try Program("curl", "/usr/bin/curl", ["-s", "http://127.0.0.1:\(httpPort)/metrics"], folder: servers.folder)
                .finish()
            program.end()
            let line = answer.split(separator: "\n").first { $0.hasPrefix("iot_mqtt_messages_produced_total ") }
            count = line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? -1
        } else {
            count = Int(program.end().split(separator: "\n").last ?? "") ?? -1
        }
        guard count == messages else { throw HopFailure("\(contestant.rawValue) brought \(count) of \(messages) messages") }
    }
}
