import Foundation
import TestSupport
import Testing

/// The oracle of the fault runs is itself tested: a product with a known bug must be found out, the same scene without it must pass.
@Suite("The oracle", .serialized, .blockingThreads, .requiresOwnKafka, .requiresFaultBuild)
struct OracleTests {
    /// One for all scenes: each has its own fleet.
    private static let shared = Task { try await FaultStack() }

    @Test("acknowledge before report: caught as lost", arguments: [false, true])
    func acknowledgeBeforeReport(isBuggy: Bool) async throws {
        try await expect(isBuggy, "acknowledge-before-report", finding: \.lost) { stack, name, bug in
            try await stack.ingestion.stop(SIGTERM)
            try await stack.ingestion.startAndAwaitReady(.faults, bug)
            let fleet = try FaultFleet(name, on: stack)
            let received = { stack.ingestion.count("iot_mqtt_messages_received_total") }
            try await stack.await(500, more: received, "messages received")
            let proxy = try stack.proxy(.ingestionToKafka)
            proxy.behave(.stalled(.both))
            // The broker gives more only to who acknowledges: with the bug, many batches; without it, there is one, which waits.
            if isBuggy {
                try await stack.await(1_000, more: received, "messages received while Kafka is silent")
            } else {
                try await eventually("a batch waits") { stack.ingestion.count("iot_mqtt_messages_in_flight") > 0 }
            }
            try await stack.ingestion.stop(SIGKILL)
            proxy.breakConnections(.reset)
            proxy.behave(.honest)
            try await stack.ingestion.startAndAwaitReady()
            return fleet
        }
    }

    @Test("commit before write: caught as lost", arguments: [false, true])
    func commitBeforeWrite(isBuggy: Bool) async throws {
        try await expect(isBuggy, "commit-before-write", finding: \.lost) { stack, name, bug in
            try await stack.writer.stop(SIGTERM)
            let fleet = try FaultFleet(name, on: stack)
            try stack.writer.start(.faults, bug.merging(["FAULT_POINT": "writer.copy:5"]) { $1 })
            try await eventually("the writer dies; log: \(stack.writer.log)", within: 60) { !stack.writer.isRunning }
            try await stack.writer.startAndAwaitReady()
            return fleet
        }
    }

    @Test("drop on full queue: caught as lost", arguments: [false, true])
    func dropOnFullQueue(isBuggy: Bool) async throws {
        try await expect(isBuggy, "drop-on-full-queue", finding: \.lost) { stack, name, bug in
            try await stack.ingestion.stop(SIGTERM)
            try await stack.ingestion.startAndAwaitReady(.faults, bug.merging(["FAULT_PRODUCER_QUEUE": "20"]) { $1 })
            let fleet = try FaultFleet(name, on: stack)
            let proxy = try stack.proxy(.ingestionToKafka)
            try await stack.await(500, more: stack.produced, "messages produced")
            // Meanwhile messages pile up at the broker; then they come in one burst.
            proxy.behave(.stalled(.both))
            let front = try stack.proxy(.fleetToBroker)
            let piled = front.bytesRelayed + 200_000
            try await eventually("messages pile up at the broker") { front.bytesRelayed >= piled }
            proxy.behave(.honest)
            try await stack.await(2_000, more: stack.produced, "messages produced after the silence")
            return fleet
        }
    }

    @Test("unfenced offset: caught as doubled", arguments: [false, true])
    func unfencedOffset(isBuggy: Bool) async throws {
        let stack = try await calmStack()
        let bug = isBuggy ? ["SEEDED_BUG": "unfenced-offset"] : [:]
        let verdict = try await ZombieScene(stack: stack).play(isBuggy ? "unfenced" : "fenced", rounds: 1, settings: bug)
        judge(verdict, isBuggy, "unfenced-offset", verdict.duplicated)
    }

    @Test("greater for at least: caught as lost", arguments: [false, true])
    func greaterForAtLeast(isBuggy: Bool) async throws {
        try await expect(isBuggy, "greater-for-at-least", finding: \.lost) { stack, name, bug in
            let fleet = try FaultFleet(name, on: stack)
            try await stack.await(500, more: stack.written, "records stored")
            try await stack.writer.stop(SIGKILL)
            // What it starts with must be there by then.
            try await stack.await(500, more: stack.produced, "messages produced")
            try await stack.writer.startAndAwaitReady(.faults, bug)
            return fleet
        }
    }

    /// The services of the usual build, whatever the scene before has left.
    private func calmStack() async throws -> FaultStack {
        let stack = try await Self.shared.value
        for proxy in stack.proxies.values { proxy.behave(.honest) }
        for service in [stack.ingestion, stack.writer] {
            try await service.stop(SIGKILL)
            try await service.startAndAwaitReady()
        }
        return stack
    }

    private func expect(
        _ isBuggy: Bool, _ bug: String, finding: KeyPath<FaultVerdict, Int>,
        scene: (FaultStack, String, [String: String]) async throws -> FaultFleet
    ) async throws {
        let stack = try await calmStack()
        let fleet = try await scene(stack, bug + (isBuggy ? "-bug" : "-control"), isBuggy ? ["SEEDED_BUG": bug] : [:])
        try await stack.await(1_000, more: stack.written, "records stored at the end")
        let verdict = try await fleet.judge(patience: 60, quiet: 8)
        judge(verdict, isBuggy, bug, verdict[keyPath: finding])
    }

    private func judge(_ verdict: FaultVerdict, _ isBuggy: Bool, _ bug: String, _ found: Int) {
        FaultPlan.current.say("\(bug) \(isBuggy ? "put in" : "absent"): \(verdict)")
        #expect(verdict.acknowledged > 0)
        if isBuggy { #expect(found > 0, "the oracle did not catch \(bug): \(verdict)") } else { #expect(verdict.isClean, "\(verdict)") }
    }
}

/// The points that the runs name and those in the product are the same.
@Suite("Fault points")
struct FaultPointTests {
    @Test("every point of the product is one that the runs know")
    func names() throws {
        let services = Binaries.root.appendingPathComponent("Services")
        let paths = FileManager.default.enumerator(atPath: services.path)?.compactMap { $0 as? String } ?? []
        let sources = try paths.filter { $0.hasSuffix(".swift") }.map {
            try String(contentsOf: services.appendingPathComponent($0), encoding: .utf8)
        }
        let found = Set(sources.flatMap { $0.matches(of: #/faultPoint\("([a-z_.-]+)"\)/#).map { String($0.output.1) } })
        let known = Set(FaultPoints.ingestion + FaultPoints.writer)
        #expect(!found.isEmpty && found.isSubset(of: known), "\(found.subtracting(known))")
        // The others are the writer's steps, named by its enumeration.
        #expect(Set(FaultPoints.ingestion).isSubset(of: found))
    }
}

/// What only a build for fault runs may hold.
@Suite("The usual build")
struct UsualBuildTests {
    @Test("holds nothing of fault points and seeded bugs", arguments: ["ingestion", "timeseries-writer"])
    func isFree(program: String) throws {
        let forbidden = ["FAULT_POINT", "FAULT_ACTION", "SEEDED_BUG", "FAULT_PRODUCER_QUEUE", "unfenced-offset", "after-produce"]
        let usual = try Data(contentsOf: URL(fileURLWithPath: Binaries.path(program)))
        for text in forbidden { #expect(usual.range(of: Data(text.utf8)) == nil, "\(program) holds \(text)") }
        guard Binaries.Build.faults.isThere else { return }
        let armed = try Data(contentsOf: URL(fileURLWithPath: Binaries.path(program, .faults)))
        for text in forbidden.prefix(3) { #expect(armed.range(of: Data(text.utf8)) != nil, "the search itself does not work: \(text)") }
    }
}
