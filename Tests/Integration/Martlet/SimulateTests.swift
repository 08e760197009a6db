import Foundation
import MQTTClient
import TestSupport
import Testing

@testable import MartletTool

/// The simulator against a real Mosquitto.
@Suite("martlet simulate", .blockingThreads, .timeLimit(.minutes(2)))
struct SimulateTests {
    /// A broker that is killed and started again on the same port.
    private struct Broker {
        let port: Int
        let folder: URL
        private(set) var child: ChildProcess

        init(folder: URL) async throws {
            self.folder = folder
            port = try freePort()
            let lines = [
                "listener \(port) 127.0.0.1", "allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0", "log_type all",
            ]
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: folder.appendingPathComponent("mosquitto.conf"))
            child = try Self.start(folder)
            try await waitUntilReady()
        }

        private static func start(_ folder: URL) throws -> ChildProcess {
            let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].first(where: FileManager.default.isExecutableFile)
            guard let program else { throw SupportError("mosquitto is not installed: apt-get install mosquitto") }
            return try ChildProcess("mosquitto", program, ["-c", folder.appendingPathComponent("mosquitto.conf").path], folder: folder)
        }

        private func waitUntilReady() async throws {
            let port = port
            try await eventually("Mosquitto listens on port \(port)") { isListening(port) }
        }

        mutating func killAndRestart() async throws {
            try await child.stop(SIGKILL)
            child = try Self.start(folder)
            try await waitUntilReady()
        }
    }

    private func plan(_ shape: PayloadShape = .mixed, devices: Int = 40, rate: Double = 0) -> FleetPlan {
        FleetPlan(
            seed: 5, prefix: "sim-", devices: devices, shape: shape, stream: 1, step: FleetPlan.step(devices: devices, rate: rate),
            topic: "v1/d/{device}/telemetry", qos: 1)
    }

    private func simulator(
        _ plan: FleetPlan, port: Int, messages: UInt64?, ledger: String, clients: Int = 5, presence: Bool = false, duplicates: Double = 0,
        backfill: Int64? = nil
    ) throws -> Simulator {
        let clock = FleetClock()
        let settings = FleetConnections.Settings(
            broker: HostPort(host: "127.0.0.1", port: port), clients: clients, quality: .atLeastOnce, window: 20, presence: presence,
            clientPrefix: "simulate-test")
        return Simulator(
            plan: plan, sequence: SendSequence(plan: plan, duplicates: duplicates, disorder: duplicates, limit: messages),
            connections: try FleetConnections(settings, plan: plan, clock: clock),
            ledger: try LedgerWriter(path: ledger, plan: plan, overwrite: false, now: .now),
            limits: Simulator.Limits(
                backfill: backfill, duration: backfill == nil ? nil : 0, drain: 60_000_000, patience: 10_000_000), clock: clock)
    }

    private func report(_ ledger: String) throws -> VerificationReport {
        let reader = try LedgerReader(path: ledger)
        var verification = Verification(plan: reader.plan)
        try reader.readNew { entry throws(LedgerProblem) in try verification.apply(entry) }
        return verification.report()
    }

    @Test("the ledger, the summary and the broker's subscriber agree")
    func ledgerAgrees() async throws {
        try await withTemporaryFolder { folder async throws in
            let broker = try await Broker(folder: folder)
            let subscriber = try ChildProcess(
                "subscriber", "/usr/bin/mosquitto_sub",
                ["-p", "\(broker.port)", "-q", "1", "-t", "v1/d/+/telemetry", "-F", "%t", "-C", "3000"], folder: folder)
            try await eventually("the subscriber is there") { broker.child.output().contains("Sending SUBACK") }
            let ledger = folder.appendingPathComponent("run.ledger").path
            let summary = try simulator(plan(), port: broker.port, messages: 3_000, ledger: ledger).run { false }
            #expect(summary.sent == 3_000)
            #expect(summary.counts.acknowledged == 3_000)
            #expect(summary.unacknowledged == 0)
            let found = try report(ledger)
            #expect(found.messages.sent == 3_000)
            #expect(found.messages.acknowledged == 3_000)
            #expect(found.isFinished)
            #expect(summary.counts.unrouted == 0)
            try await eventually("the subscriber has 3,000 messages") { !subscriber.isRunning }
        }
    }

    @Test("a broker killed twice under load: everything is acknowledged in the end")
    func brokerKilled() async throws {
        try await withTemporaryFolder { folder async throws in
            var broker = try await Broker(folder: folder)
            let ledger = folder.appendingPathComponent("run.ledger").path
            let running = try simulator(plan(), port: broker.port, messages: 40_000, ledger: ledger, duplicates: 5)
            let run = Run(running)
            run.start()
            for threshold in [5_000, 20_000] {
                try await eventually("\(threshold) messages are acknowledged") {
                    try FileManager.default.fileExists(atPath: ledger) && report(ledger).messages.acknowledged > threshold
                }
                try await broker.killAndRestart()
            }
            let summary = try await run.result()
            #expect(summary.sent == 40_000)
            #expect(summary.unacknowledged == 0)
            #expect(summary.counts.connectionsLost >= 2)
            let found = try report(ledger)
            #expect(found.messages.sent == 40_000)
            #expect(found.messages.acknowledged == 40_000)
        }
    }

    @Test("the past is sent whole, as fast as it goes, and ends at the present", arguments: [0, 10.0])
    func backfill(trouble: Double) async throws {
        try await withTemporaryFolder { folder async throws in
            let broker = try await Broker(folder: folder)
            let ledger = folder.appendingPathComponent("run.ledger").path
            let clock = FleetClock()
            var plan = plan(.mixed, devices: 20, rate: 2)
            plan.spread = plan.step
            let began = clock.microseconds
            let hour: Int64 = 3_600_000_000
            let summary = try simulator(
                plan, port: broker.port, messages: nil, ledger: ledger, duplicates: trouble, backfill: hour
            ).run { false }
            let ended = clock.microseconds

            // One message in 10 s of each device, from a minute after the beginning until now.
            let rounds = (hour - Simulator.margin - plan.reachBack) / plan.step
            #expect(summary.sent >= Int(rounds) * plan.devices)
            #expect(summary.counts.acknowledged == summary.sent + summary.repeated)
            #expect(summary.ofThePast != nil && summary.anchors == 1)
            let reader = try LedgerReader(path: ledger)
            var verification = Verification(plan: reader.plan)
            try reader.readNew { entry throws(LedgerProblem) in try verification.apply(entry) }
            let window = try #require(verification.window)
            #expect(window.lowerBound >= began - hour + Simulator.margin)
            #expect(window.lowerBound <= ended - hour + Simulator.margin)
            #expect(window.upperBound > began - 2 * plan.step && window.upperBound <= ended)
        }
    }

    @Test("told to stop, it waits for what is outstanding")
    func stopped() async throws {
        try await withTemporaryFolder { folder async throws in
            let broker = try await Broker(folder: folder)
            let ledger = folder.appendingPathComponent("run.ledger").path
            var looks = 0
            let summary = try simulator(plan(), port: broker.port, messages: 1_000_000, ledger: ledger).run {
                looks += 1
                return looks > 200
            }
            #expect(summary.sent > 0 && summary.sent < 1_000_000)
            #expect(summary.unacknowledged == 0)
            let found = try report(ledger)
            #expect(found.messages.sent == summary.sent)
            #expect(found.messages.acknowledged == summary.sent)
        }
    }

    @Test("with presence every device comes online and leaves with a goodbye")
    func presence() async throws {
        try await withTemporaryFolder { folder async throws in
            let broker = try await Broker(folder: folder)
            let subscriber = try ChildProcess(
                "subscriber", "/usr/bin/mosquitto_sub",
                ["-p", "\(broker.port)", "-q", "1", "-t", "v1/d/+/status", "-v", "-C", "20"], folder: folder)
            try await eventually("the subscriber is there") { broker.child.output().contains("Sending SUBACK") }
            let ledger = folder.appendingPathComponent("run.ledger").path
            let summary = try simulator(
                plan(.single, devices: 10), port: broker.port, messages: 100, ledger: ledger, clients: 10, presence: true
            ).run { false }
            #expect(summary.counts.acknowledged == 100)
            try await eventually("ten came and ten went") { !subscriber.isRunning }
            let lines = subscriber.output().split(separator: "\n")
            #expect(lines.count { $0.contains(#""status":"online""#) } == 10)
            #expect(lines.count { $0.contains("simulation ended") } == 10)
        }
    }

    @Test("without a broker it says so, with the address")
    func noBroker() async throws {
        try await withTemporaryFolder { folder async throws in
            let port = try freePort()
            let clock = FleetClock()
            let plan = plan()
            let settings = FleetConnections.Settings(
                broker: HostPort(host: "127.0.0.1", port: port), clients: 2, quality: .atLeastOnce, window: 20, presence: false,
                clientPrefix: "simulate-test")
            let simulator = Simulator(
                plan: plan, sequence: SendSequence(plan: plan, duplicates: 0, disorder: 0, limit: 1),
                connections: try FleetConnections(settings, plan: plan, clock: clock), ledger: nil,
                limits: Simulator.Limits(duration: nil, drain: 0, patience: 300_000), clock: clock)
            do {
                _ = try simulator.run { false }
                Issue.record("it found a broker")
            } catch let error as ToolError {
                #expect(error.code == .unavailable)
                #expect(error.description.contains("127.0.0.1:\(port)"))
            }
        }
    }
}

/// Runs a simulator on a thread of its own.
// @unchecked Sendable: the simulator is touched by its thread alone once `start` was called; the result passes through the semaphore.
private final class Run: @unchecked Sendable {
    private let simulator: Simulator
    private var outcome: Result<SimulationSummary, any Error>?
    private let done = DispatchSemaphore(value: 0)

    init(_ simulator: Simulator) { self.simulator = simulator }

    func start() {
        let thread = Thread { [self] in
            outcome = Result { try simulator.run { false } }
            done.signal()
        }
        thread.start()
    }

    func result() async throws -> SimulationSummary {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { [self] in
                done.wait()
                if let outcome { continuation.resume(with: outcome) }
            }
        }
    }
}
