import Foundation
import Synchronization
import TestSupport
import Testing

/// Everything dies, again and again, under load; nothing acknowledged may be lost, nothing stored twice.
///
/// `deploy/local/test --faults` does it by the hundred; in a usual run each fault gets a few turns.
@Suite("Faults", .serialized, .blockingThreads, .requiresOwnKafka, .requiresFaultBuild)
struct FaultRunTests {
    @Test("services killed at random moments and at every named point")
    func services() async throws {
        try await run("killed") { driver in
            async let ingestion = driver.killIngestion(driver.plan.serviceKills)
            async let writer = driver.killWriter(driver.plan.serviceKills)
            return [("ingestion", try await ingestion), ("timeseries-writer", try await writer)]
        }
    }

    @Test("Kafka, PostgreSQL and Mosquitto killed and restarted with their data")
    func servers() async throws {
        try await run("served") { driver in
            async let kafka = driver.killKafka(driver.plan.serverKills)
            async let postgres = driver.killPostgres(driver.plan.serverKills)
            async let mosquitto = driver.killMosquitto(driver.plan.serverKills)
            return [("Kafka", try await kafka), ("PostgreSQL", try await postgres), ("Mosquitto", try await mosquitto)]
        }
    }

    @Test("every link cut, reset, refused, half-open, dribbled")
    func links() async throws {
        try await run("linked") { driver in [("links", try await driver.disturbLinks(driver.plan.linkEpisodes))] }
    }

    private func run(_ name: String, _ faults: (FaultDriver) async throws -> [(String, FaultTally)]) async throws {
        let plan = FaultPlan.current
        let began = ContinuousClock.now
        plan.say("\(name): seed \(plan.seed), repeat with MARTLET_FAULT_SEED=\(plan.seed)")
        try await FaultStack.with { stack in
            let fleet = try FaultFleet(name, on: stack)
            for (what, tally) in try await faults(FaultDriver(stack: stack, plan: plan)) { plan.say("\(name): \(what) \(tally.text)") }
            plan.say("\(name): services that ended by themselves and were started again: \(stack.restarts.load(ordering: .relaxed))")
            #expect(fleet.child.isRunning, "the fleet ended before the faults; log: \(fleet.child.log.path)")
            let verdict = try await fleet.judge()
            plan.say("\(name): \(verdict)")
            #expect(verdict.isClean && verdict.finished, "\(verdict)")
            // A Mosquitto killed hard goes on from its last save: what its devices send again may overtake what it had queued.
            #expect(name == "served" || verdict.records.disordered == 0, "\(verdict)")
            #expect(verdict.acknowledged > 0)
            for (book, residual) in try stack.residuals(fleet, verdict) {
                plan.say("\(name): residual \(Int(residual))  \(book)")
                #expect(residual == 0, "\(book)")
            }
            plan.say("\(name): took \(Int((ContinuousClock.now - began) / .seconds(1))) s")
            return verdict.isClean
        }
    }
}

extension Trait where Self == ConditionTrait {
    static var requiresFaultBuild: Self {
        .enabled("needs binaries with fault points: deploy/local/test makes them and sets MARTLET_FAULT_BIN") {
            if !Binaries.Build.faults.isThere {
                FileHandle.standardError.write(Data("NOT TESTED: faults need the binaries of MARTLET_FAULT_BIN\n".utf8))
            }
            return Binaries.Build.faults.isThere
        }
    }
}
