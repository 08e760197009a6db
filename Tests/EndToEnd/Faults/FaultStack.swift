import Foundation
import Synchronization
import TestSupport

/// A stack of its own for fault runs: every link leads through a proxy, and everything may be killed.
final class FaultStack: Sendable {
    enum Link: String, CaseIterable, Sendable {
        case fleetToBroker = "fleet–Mosquitto"
        case ingestionToBroker = "ingestion–Mosquitto"
        case ingestionToKafka = "ingestion–Kafka"
        case writerToKafka = "writer–Kafka"
        case writerToDatabase = "writer–PostgreSQL"
    }

    let folder: URL
    let kafka: KafkaServer
    let postgres: PostgresServer
    let mosquitto: MosquittoServer
    /// Past the proxy: for the oracle.
    let postgresURL: String
    let proxies: [Link: FaultProxy]
    let ingestion: RunningService
    let writer: RunningService
    private let writerSettings: [String: String]

    /// - Parameter disk: where PostgreSQL keeps its data.
    init(disk: BoundedDisk? = nil) async throws {
        let folder = try makeTemporaryFolder("faults")
        self.folder = folder
        let fronts = ["INGESTION": try freePort(), "WRITER": try freePort()]
        let kafka = try await KafkaServer(.apache, advertised: fronts)
        self.kafka = kafka
        postgres = try await PostgresServer(
            durable: true, disk: disk, settings: disk == nil ? [] : ["max_wal_size=64MB", "min_wal_size=32MB"])
        mosquitto = try await MosquittoServer(persistent: true, logsPackets: false)
        try await mosquitto.start()
        postgresURL = try postgres.makeDatabase()
        let proxies: [Link: FaultProxy] = [
            .fleetToBroker: try FaultProxy(to: mosquitto.port), .ingestionToBroker: try FaultProxy(to: mosquitto.port),
            .ingestionToKafka: try FaultProxy(to: kafka.port(of: "INGESTION"), port: fronts["INGESTION"]),
            .writerToKafka: try FaultProxy(to: kafka.port(of: "WRITER"), port: fronts["WRITER"]),
            .writerToDatabase: try FaultProxy(to: postgres.port),
        ]
        self.proxies = proxies
        func port(_ link: Link) -> String { String(proxies[link]?.port ?? 0) }
        ingestion = try RunningService(
            "ingestion", folder: folder,
            environment: [
                "MARTLET_KAFKA_BOOTSTRAP": "127.0.0.1:" + port(.ingestionToKafka), "MARTLET_MQTT_PORT": port(.ingestionToBroker),
                "MARTLET_IDENTITY": "open",
            ])
        writerSettings = [
            "MARTLET_KAFKA_BOOTSTRAP": "127.0.0.1:" + port(.writerToKafka), "MARTLET_KAFKA_SESSION_TIMEOUT": "3s",
            "MARTLET_POSTGRES_URL": postgresURL.replacingOccurrences(of: ":\(postgres.port)/", with: ":\(port(.writerToDatabase))/"),
        ]
        writer = try RunningService("timeseries-writer", folder: folder, environment: writerSettings)
        let created = try await runToEnd(Binaries.path("martlet"), ["topics", "create", "--kafka", kafka.bootstrap])
        guard created.code == 0 else { throw SupportError("martlet topics create: \(created.errors)") }
        try await ingestion.startAndAwaitReady()
        try await writer.startAndAwaitReady()
    }

    func proxy(_ link: Link) throws -> FaultProxy {
        guard let proxy = proxies[link] else { throw SupportError("no proxy on \(link.rawValue)") }
        return proxy
    }

    /// Another replica of the writer.
    func anotherWriter() throws -> RunningService { try RunningService("timeseries-writer", folder: folder, environment: writerSettings) }

    /// Runs `body` on a stack of its own, which ends afterwards. What it logged stays when `body` throws or says that it failed.
    static func with(disk: BoundedDisk? = nil, _ body: (FaultStack) async throws -> Bool) async throws {
        let stack = try await FaultStack(disk: disk)
        do {
            let isGood = try await body(stack)
            await stack.end()
            if isGood { try? FileManager.default.removeItem(at: stack.folder) }
        } catch {
            await stack.end()
            throw error
        }
    }

    private func end() async {
        for service in [ingestion, writer] { _ = try? await service.stop(SIGKILL) }
        try? await kafka.kill()
        try? await mosquitto.stop(SIGKILL)
        await postgres.remove()
    }

    /// How often a service that nobody killed was started again.
    let restarts = Atomic<Int>(0)
    private let supervising = Mutex(())

    func restartWhatEnded() {
        supervising.withLock { _ in
            for service in [ingestion, writer] where !service.isRunning {
                restarts.add(1, ordering: .relaxed)
                try? service.start()
            }
        }
    }

    // MARK: Progress

    /// Messages that this life of ingestion has brought to Kafka.
    func produced() -> Double { ingestion.count("iot_mqtt_messages_produced_total") }

    /// Records that this life of the writer has stored.
    func written() -> Double { writer.count("iot_records_written_total") + writer.count("iot_records_duplicate_total") }

    /// - Returns: seconds it took.
    @discardableResult
    func await(_ count: Double, more progress: () -> Double, _ what: String, within seconds: Double = 120) async throws -> Double {
        let began = ContinuousClock.now
        // After a restart the counter begins again.
        var base = progress()
        try await eventually("\(Int(count)) more \(what); logs in \(folder.path)", within: seconds) {
            let now = progress()
            if now < base || base.isNaN { base = now }
            return now >= base + count
        }
        return (ContinuousClock.now - began) / .seconds(1)
    }
}

extension RunningService {
    /// As `metric`, for many calls a second; NaN while the service does not answer: 0 would look like a restart.
    func count(_ name: String) -> Double {
        guard let answer = plainGet(port, "/metrics") else { return .nan }
        return answer.body.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix(name + "{") || line.hasPrefix(name + " ") else { return sum }
            return sum + (line.split(separator: " ").last.flatMap { Double($0) } ?? 0)
        }
    }
}
