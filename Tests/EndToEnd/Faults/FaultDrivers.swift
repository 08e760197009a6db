import Foundation
import TestSupport

/// What a driver did, and how long the stack took each time until data flowed again.
struct FaultTally: Sendable {
    var counts: [String: Int] = [:]
    /// Seconds from the restart (or from the link's healing) to the next progress.
    var recoveries: [Double] = []

    mutating func note(_ what: String, recovery: Double? = nil) {
        counts[what, default: 0] += 1
        if let recovery { recoveries.append(recovery) }
    }

    /// `200 (4 at the start, …); recovery p50 0.4 s, p99 1.2 s, max 2.0 s`
    var text: String {
        let parts = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        let sorted = recoveries.sorted()
        guard !sorted.isEmpty else { return "\(total) (\(parts))" }
        func quantile(_ share: Double) -> String {
            String(format: "%.1f s", sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))])
        }
        return "\(total) (\(parts)); recovery p50 \(quantile(0.5)), p99 \(quantile(0.99)), max \(quantile(1))"
    }

    var total: Int { counts.values.reduce(0, +) }
}

/// Does one kind of fault to a stack under load, again and again. Moments are drawn from the plan's seed and counted in progress, not in
/// time: a slow machine sees the same run.
struct FaultDriver: Sendable {
    let stack: FaultStack
    let plan: FaultPlan

    // MARK: Services

    func killIngestion(_ times: Int) async throws -> FaultTally {
        try await kill(stack.ingestion, FaultPoints.ingestion, times) { stack.produced() }
    }

    func killWriter(_ times: Int) async throws -> FaultTally {
        try await kill(stack.writer, FaultPoints.writer, times) { stack.written() }
    }

    private func kill(
        _ service: RunningService, _ points: [String], _ times: Int, progress: @Sendable () -> Double
    ) async throws -> FaultTally {
        var random = plan.random(service.name)
        var tally = FaultTally()
        try await service.stop(SIGKILL)
        for round in 0..<times {
            // Every point has its turn, whatever the dice say.
            let death = round < points.count ? .point(points[round], time: 1 + round % 3) : Death.draw(points, &random)
            try service.start(death.build, death.arming)
            try await live(service, until: death, progress, &tally)
        }
        try await service.startAndAwaitReady()
        return tally
    }

    /// One life of the service, from its start to the death it is to die.
    private func live(
        _ service: RunningService, until death: Death, _ progress: () -> Double, _ tally: inout FaultTally
    ) async throws {
        let began = ContinuousClock.now
        switch death {
        case .atStart:
            try await eventually("\(service.name) answers", within: 60) { plainGet(service.port, "/healthz") != nil }
            try await service.stop(SIGKILL)
            tally.note("at the start")
        case .progress(let count):
            try await stack.await(1, more: progress, "from \(service.name)")
            let recovery = (ContinuousClock.now - began) / .seconds(1)
            try await stack.await(count, more: progress, "from \(service.name)")
            try await service.stop(SIGKILL)
            tally.note("by progress", recovery: recovery)
        case .point(let name, _):
            try await eventually("\(service.name) dies \(death); log: \(service.log)", within: 120) { !service.isRunning }
            let code = try await service.stop(SIGKILL)
            guard code == 128 + SIGKILL else { throw SupportError("\(service.name) was to die at \(name) and ended with \(code)") }
            tally.note("at named points")
        }
    }

    // MARK: Servers

    func killKafka(_ times: Int) async throws -> FaultTally {
        try await disturb("Kafka", times) { _ in
            try await stack.kafka.kill()
            try await stack.kafka.restart()
            return "killed"
        }
    }

    func killPostgres(_ times: Int) async throws -> FaultTally {
        try await disturb("PostgreSQL", times) { _ in
            try await stack.postgres.kill()
            try await stack.postgres.restart()
            return "killed"
        }
    }

    /// Mosquitto acknowledges before it saves, so a hard kill loses what it acknowledged since its last save; no service can mend that.
    /// Here the devices' acknowledgements are held back in the proxy while it saves and until it is dead: as if it acknowledged only what
    /// it has saved.
    func killMosquitto(_ times: Int) async throws -> FaultTally {
        try await disturb("Mosquitto", times) { random in
            let front = try stack.proxy(.fleetToBroker)
            guard Bool.random(using: &random) else {
                try await stack.mosquitto.stop(SIGTERM)
                try await stack.mosquitto.start()
                return "ended in order"
            }
            front.behave(.stalled(.toClient))
            try await stack.mosquitto.save()
            try await arrive(Int.random(in: 0...40_000, using: &random), through: front)
            try await stack.mosquitto.stop(SIGKILL)
            front.breakConnections(.cut)
            front.behave(.honest)
            try await stack.mosquitto.start()
            return "killed"
        }
    }

    /// Waits for so many bytes, or until the fleet has sent all that it may without an answer.
    private func arrive(_ bytes: Int, through proxy: FaultProxy) async throws {
        let goal = proxy.bytesRelayed + bytes
        var (last, quiet) = (proxy.bytesRelayed, 0)
        try await eventually("bytes from the fleet") {
            let now = proxy.bytesRelayed
            quiet = now == last ? quiet + 1 : 0
            last = now
            return now >= goal || quiet > 10
        }
    }

    // MARK: Links

    func disturb(_ links: [FaultStack.Link], _ episodes: Int) async throws -> FaultTally {
        try await disturb("links", episodes) { random in
            let link = links[Int.random(in: 0..<links.count, using: &random)]
            let proxy = try stack.proxy(link)
            // How long a link misbehaves is the fault itself, so it is a time.
            let length = Duration.milliseconds(Int.random(in: 100...2_500, using: &random))
            let fault = LinkFault.allCases[Int.random(in: 0..<LinkFault.allCases.count, using: &random)]
            if let manner = fault.manner(&random) {
                proxy.behave(manner)
                if fault == .refuse { proxy.breakConnections(.cut) }
                try await Task.sleep(for: length)
                // Half of the silences end with everything lost that was held back.
                if case .stalled = manner, Bool.random(using: &random) { proxy.breakConnections(.cut) }
                proxy.behave(.honest)
            } else {
                proxy.breakConnections(fault == .reset ? .reset : .cut)
            }
            return fault.rawValue
        }
    }

    enum LinkFault: String, CaseIterable {
        case cut, reset, refuse = "refused", stall = "half-open", dribble = "dribbled"

        func manner(_ random: inout SeededRandom) -> FaultProxy.Manner? {
            switch self {
            case .cut, .reset: nil
            case .refuse: .refusing
            case .stall: .stalled([.toServer, .toClient, .both][Int.random(in: 0..<3, using: &random)])
            case .dribble: .dribbling
            }
        }
    }

    // MARK: All of them

    /// Waits for a moment, does it, waits until rows are written again.
    private func disturb(
        _ name: String, _ times: Int, _ fault: (inout SeededRandom) async throws -> String
    ) async throws -> FaultTally {
        var random = plan.random(name)
        var tally = FaultTally()
        for _ in 0..<times {
            try await stack.await(Double.random(in: 1...600, using: &random), more: supervised, "records stored")
            let what = try await fault(&random)
            tally.note(what, recovery: try await stack.await(1, more: supervised, "record stored after \(name) was \(what)"))
        }
        return tally
    }

    /// A service may end by itself, for instance when Kafka has fenced its consumer for good: whoever runs it starts it again.
    private func supervised() -> Double {
        stack.restartWhatEnded()
        return stack.written()
    }
}
