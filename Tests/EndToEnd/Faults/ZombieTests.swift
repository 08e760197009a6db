import Foundation
import TestSupport
import Testing

/// A writer that was stopped past its session comes back and finds its partitions in other hands.
@Suite("A stopped writer", .serialized, .blockingThreads, .requiresOwnKafka, .requiresFaultBuild)
struct ZombieTests {
    /// In the middle of a COPY it holds locks that no timeout of PostgreSQL's takes from it.
    @Test(
        "stopped before its transaction or in the middle, and at random moments: it blocks nobody, what it still holds is not written",
        arguments: ["writer.resolve", "writer.copying"])
    func isFenced(point: String) async throws {
        try await FaultStack.with { stack in
            let scene = ZombieScene(stack: stack)
            let rounds = FaultPlan.current.isLong ? 20 : 2
            // Without numbers in the readings only the offsets can keep its rows out.
            let verdict = try await scene.play("zombie", at: point, rounds: rounds)
            FaultPlan.current.say("zombie: at \(point) and later stopped \(rounds) times, fenced \(Int(scene.fenced())) times; \(verdict)")
            #expect(verdict.isClean && verdict.acknowledged > 0, "\(verdict)")
            #expect(verdict.records.repeated == 0, "\(verdict)")
            // In the middle of its COPY it lost its session, and asks where to go on before it writes again.
            if point == "writer.resolve" { #expect(scene.fenced() >= 1, "the writer met no fence; log: \(stack.writer.log)") }
            return verdict.isClean
        }
    }
}

/// The writer stops at a named point with a batch in its hands, another replica takes over, the first goes on.
struct ZombieScene: Sendable {
    let stack: FaultStack

    func fenced() -> Double { stack.writer.count("iot_write_fenced_total") }

    func play(
        _ name: String, at point: String = "writer.resolve", rounds: Int, settings: [String: String] = [:]
    ) async throws -> FaultVerdict {
        var random = FaultPlan.current.random(name)
        let other = try stack.anotherWriter()
        try await stack.writer.stop(SIGTERM)
        let fleet = try FaultFleet(name, on: stack, options: ["--unnumbered"])
        let stopping = settings.merging(["FAULT_POINT": "\(point):10", "FAULT_ACTION": "stop"]) { $1 }
        try stack.writer.start(.faults, stopping)
        try await eventually("the writer has stopped itself", within: 60) { processState(stack.writer.pid) == "T" }
        try other.start(.faults, settings)
        try await takeOver(other)
        for _ in 1..<rounds {
            try await stack.await(Double.random(in: 1...500, using: &random), more: stack.written, "records of the first writer")
            stack.writer.signal(SIGSTOP)
            try await takeOver(other)
        }
        try await other.stop(SIGTERM)
        return try await fleet.judge(patience: 60, quiet: 10)
    }

    /// The other one has every partition and stores; then the first may go on.
    private func takeOver(_ other: RunningService) async throws {
        try await eventually("the other replica has all partitions; log: \(other.log)", within: 90) {
            partitions(of: other) == 12
        }
        let stored = { other.count("iot_records_written_total") }
        try await stack.await(1_000, more: stored, "records of the other replica")
        stack.writer.signal(SIGCONT)
        try await eventually("both replicas have partitions again; logs: \(stack.writer.log), \(other.log)", within: 90) {
            partitions(of: stack.writer) == 6 && partitions(of: other) == 6
        }
    }

    /// As the replica's log tells.
    private func partitions(of writer: RunningService) -> Int? {
        let lines = writer.output.split(separator: "\n").filter { $0.contains("partitions assigned") || $0.contains("partitions revoked") }
        guard let last = lines.last else { return nil }
        guard last.contains("assigned"), let range = last.range(of: #""partitions":""#) else { return 0 }
        return Int(last[range.upperBound...].prefix { $0.isNumber })
    }
}

/// The letter of `/proc/…/stat`: T when stopped.
func processState(_ pid: Int32) -> String? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8), let end = text.lastIndex(of: ")") else {
        return nil
    }
    return text[text.index(after: end)...].split(separator: " ").first.map(String.init)
}
