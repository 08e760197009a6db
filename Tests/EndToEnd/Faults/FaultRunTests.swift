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
        try await run("served", isOrdered: false) { driver in
            async let kafka = driver.killKafka(driver.plan.serverKills)
            async let postgres = driver.killPostgres(driver.plan.serverKills)
            async let mosquitto = driver.killMosquitto(driver.plan.serverKills)
            return [("Kafka", try await kafka), ("PostgreSQL", try await postgres), ("Mosquitto", try await mosquitto)]
        }
    }

    @Test("every link of the platform cut, reset, refused, half-open, dribbled")
    func links() async throws {
        try await run("linked") { driver in
            let own = FaultStack.Link.allCases.filter { $0 != .fleetToBroker }
            return [("links", try await driver.disturb(own, driver.plan.linkEpisodes * own.count / FaultStack.Link.allCases.count))]
        }
    }

    @Test("the devices' own link cut, reset, refused, half-open, dribbled")
    func devicesLink() async throws {
        try await run("reached", isOrdered: false) { driver in
            [("devices' link", try await driver.disturb([.fleetToBroker], driver.plan.linkEpisodes / FaultStack.Link.allCases.count))]
        }
    }

    /// - Parameter isOrdered: whether each device's messages must lie in Kafka in the order in which it sent them. A device that comes
    ///   back sends again what was not acknowledged, which newer messages may overtake; so may what a Mosquitto that was killed hard has
    ///   in its last save.
    private func run(
        _ name: String, isOrdered: Bool = true, _ faults: (FaultDriver) async throws -> [(String, FaultTally)]
    ) async throws {
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
            if isOrdered { #expect(verdict.records.disordered == 0, "\(verdict)") }
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
