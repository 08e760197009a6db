import Foundation
import TestSupport

/// The whole platform as its users get it, on free loopback ports: real servers, the built binaries, nothing of ours linked.
final class Stack: Sendable {
    let folder: URL
    let kafka: KafkaServer
    let postgres: PostgresServer
    let mosquitto: ShippedBroker
    let postgresURL: String
    let ingestion: RunningService
    let writer: RunningService
    let registry: RunningService

    /// One stack for all suites: they run one after the other and tell their devices apart by prefix. It ends with the test process.
    static let shared = Task { try await Stack() }

    private init() async throws {
        folder = try makeTemporaryFolder("stack")
        // The embedded broker cannot make topics later; on Apache Kafka our own tool makes them, as an operator would.
        let embedded = KafkaServer.available == .embedded
        let topics = ["telemetry": 12, "device-events": 12, "dead-letters": 12, "registry.devices": 12, "registry.types": 1]
        kafka = try await KafkaServer(topics: embedded ? topics : [:])
        postgres = try await PostgresServer(durable: true)
        mosquitto = try await ShippedBroker()
        postgresURL = try postgres.makeDatabase()
        let common = ["MARTLET_KAFKA_BOOTSTRAP": kafka.bootstrap, "MARTLET_SHUTDOWN_GRACE": "20s"]
        ingestion = try RunningService(
            "ingestion", folder: folder,
            environment: common.merging(["MARTLET_MQTT_PORT": String(mosquitto.port), "MARTLET_IDENTITY": "open"]) { $1 })
        writer = try RunningService(
            "timeseries-writer", folder: folder, environment: common.merging(["MARTLET_POSTGRES_URL": postgresURL]) { $1 })
        registry = try RunningService(
            "device-registry", folder: folder,
            environment: common.merging(mosquitto.registryEnvironment) { $1 }.merging(["MARTLET_POSTGRES_URL": postgresURL]) { $1 })
        if !embedded {
            let created = try await martlet("topics", "create", "--kafka", kafka.bootstrap)
            guard created.code == 0 else { throw SupportError("martlet topics create: \(created.errors)") }
        }
        try await ingestion.startAndAwaitReady()
        try await writer.startAndAwaitReady()
        try await registry.startAndAwaitReady()
    }

    /// By the name of its executable.
    func service(_ name: String) -> RunningService {
        switch name {
        case "ingestion": ingestion
        case "timeseries-writer": writer
        default: registry
        }
    }

    func martlet(_ arguments: String..., input: String? = nil) async throws -> Outcome {
        try await runToEnd(Binaries.path("martlet"), arguments, input: input)
    }

    /// Publishes one message with a tool that is not ours and waits for its PUBACK.
    func publish(_ topic: String, _ payload: String) async throws {
        let outcome = try await runToEnd(
            "mosquitto_pub", ["-p", String(mosquitto.port), "-q", "1", "-t", topic, "-s"], input: payload)
        guard outcome.code == 0 else { throw SupportError("mosquitto_pub \(topic): \(outcome.errors)") }
    }

    /// A simulated fleet with its own ledger; `disturb` runs while it sends.
    /// - Returns: what `martlet verify` found after the dust had settled.
    func runFleet(
        _ prefix: String, devices: Int = 200, rate: Int = 2_000, messages: Int, options: [String] = [],
        disturb: (Fleet) async throws -> Void = { _ in }
    ) async throws -> Verdict {
        let ledger = folder.appendingPathComponent("\(prefix).ledger").path
        let child = try ChildProcess(
            "simulate-\(prefix)", Binaries.path("martlet"),
            [
                "simulate", "--prefix", "\(prefix)-", "--devices", String(devices), "--rate", String(rate), "--messages", String(messages),
                "--ledger", ledger, "--mqtt", "127.0.0.1:\(mosquitto.port)",
            ] + options, folder: folder)
        try await disturb(Fleet(child: child))
        try await eventually("the simulated fleet \(prefix) has sent all; log: \(child.log.path)", within: 240) { !child.isRunning }
        let outcome = try await martlet("verify", "--ledger", ledger, "--postgres", postgresURL, "--wait", "60", "--json")
        guard let verdict = try? JSONDecoder().decode(Verdict.self, from: Data(outcome.output.utf8)) else {
            throw SupportError("martlet verify gave \(outcome.code): \(outcome.output) \(outcome.errors)")
        }
        return verdict
    }
}

struct Fleet {
    let child: ChildProcess
    var isSending: Bool { child.isRunning }
}

/// What `martlet verify --json` prints, as far as these tests need it.
struct Verdict: Decodable, CustomStringConvertible {
    let sent: Int
    let acknowledged: Int
    let stored: Int
    let lost: Int
    let duplicated: Int
    let invented: Int
    let wrong: Int

    var isClean: Bool { lost == 0 && duplicated == 0 && invented == 0 && wrong == 0 }
    var description: String {
        "sent \(sent) acknowledged \(acknowledged) stored \(stored) lost \(lost) duplicated \(duplicated) invented \(invented) wrong \(wrong)"
    }
}
