import Foundation
import TestSupport
import Testing

/// PostgreSQL without a byte left: the writer refuses and waits; once there is room, it goes on by itself.
@Suite("A full disk", .serialized, .blockingThreads, .requiresOwnKafka, .requiresFaultBuild)
struct FullDiskTests {
    @Test("under PostgreSQL: nothing is lost, nothing is stored twice, nobody edits anything", .requiresBoundedDisk)
    func underPostgres() async throws {
        let disk = try BoundedDisk(megabytes: 320)
        defer { disk.remove() }
        try await FaultStack.with(disk: disk) { stack in
            let fleet = try FaultFleet("full", on: stack)
            for round in 1...(FaultPlan.current.isLong ? 5 : 2) {
                try await stack.await(1_000, more: stack.written, "records stored before the disk is full")
                let failures = stack.writer.count("iot_write_failures_total")
                try disk.fill(leaving: 64 << 10)
                try await eventually("the writer's transactions fail, time \(round); log: \(stack.writer.log)", within: 90) {
                    stack.writer.count("iot_write_failures_total") > failures
                }
                #expect(stack.writer.isRunning && fleet.child.isRunning)
                try disk.empty()
                // Without room for its log PostgreSQL may have given up; whoever runs it starts it again.
                try await stack.postgres.awaitAnswerOrRestart()
                try await stack.await(1, more: stack.written, "record stored after the disk has room again")
            }
            let verdict = try await fleet.judge()
            FaultPlan.current.say("full disk: \(verdict)")
            #expect(verdict.isClean && verdict.acknowledged > 0, "\(verdict)")
            for (book, residual) in try stack.residuals(fleet, verdict) { #expect(residual == 0, "\(book)") }
            return verdict.isClean
        }
    }
}

extension PostgresServer {
    func awaitAnswerOrRestart() async throws {
        try await eventually("PostgreSQL answers or has ended") {
            guard isRunning else { return true }
            return (try? psql("SELECT 1")) == "1"
        }
        if !isRunning { try await restart() }
    }
}

extension Trait where Self == ConditionTrait {
    static var requiresBoundedDisk: Self {
        .enabled("needs to mount a tmpfs: root, and a kernel or container that allows it") {
            let reason = BoundedDisk.whyImpossible()
            if let reason { FileHandle.standardError.write(Data("NOT TESTED: a full disk under PostgreSQL: \(reason)\n".utf8)) }
            return reason == nil
        }
    }
}
