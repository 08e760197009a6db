import Logging
import Synchronization
import TestSupport
import Testing

@testable import ServiceKit

/// What happened, in order.
private final class Journal: Sendable {
    private let stored = Mutex<[String]>([])
    var entries: [String] { stored.withLock { $0 } }
    func note(_ entry: String) { stored.withLock { $0.append(entry) } }
}

private struct Failing: Error, CustomStringConvertible {
    let description = "the disk is full"
}

@Suite struct ServiceGroupTests {
    private let journal = Journal()
    private let record = LogRecord()
    private let shutdown = ShutdownSignal()

    private func group(_ services: [any Service], grace: Duration = .seconds(60)) -> ServiceGroup {
        ServiceGroup(services, grace: grace, logger: Logger(label: "group", level: .error, sink: .recording(into: record)))
    }

    private func waiting(_ name: String) -> ServiceTask {
        ServiceTask(name) { [journal] in
            journal.note("\(name) runs")
            await gracefulShutdown()
            journal.note("\(name) stops")
        }
    }

    @Test func servicesStopInReverseOrderOneAfterAnother() async throws {
        let group = group([waiting("store"), waiting("producer"), waiting("listener")])
        let run = Task { try await group.run(until: shutdown) }
        try await eventually("all run") { journal.entries.count == 3 }
        shutdown.request()
        try await run.value
        #expect(journal.entries.suffix(3) == ["listener stops", "producer stops", "store stops"])
        #expect(record.lines.isEmpty)
    }

    @Test func aServiceThatReturnsEarlyTakesTheGroupDownAndIsNamed() async throws {
        let error = await #expect(throws: ServiceGroupError.self) {
            try await group([waiting("store"), ServiceTask("consumer") {}]).run(until: shutdown)
        }
        #expect(error?.failures.map(\.service) == ["consumer"])
        #expect(error?.description == "consumer ended although nobody asked it to")
        #expect(journal.entries == ["store runs", "store stops"])
        #expect(record.lines.count == 1)
        #expect(record.lines.first?.contains("service consumer ended although nobody asked it to") == true)
    }

    @Test func aServiceThatThrowsSaysWhy() async throws {
        let error = await #expect(throws: ServiceGroupError.self) {
            try await group([waiting("store"), ServiceTask("writer") { throw Failing() }]).run(until: shutdown)
        }
        #expect(error?.description == "writer failed: the disk is full")
        #expect(journal.entries.last == "store stops")
    }

    @Test func anErrorWhileStoppingIsAFailureAndTheOthersStillStop() async throws {
        let failing = ServiceTask("listener") {
            await gracefulShutdown()
            throw Failing()
        }
        shutdown.request()
        let error = await #expect(throws: ServiceGroupError.self) { try await group([waiting("store"), failing]).run(until: shutdown) }
        #expect(error?.description == "listener failed: the disk is full")
        #expect(journal.entries.last == "store stops")
    }

    @Test func whoDoesNotStopWithinTheGraceIsNamedAndLeftBehind() async throws {
        let released = ShutdownSignal()
        let stuck = ServiceTask("stuck") { await released.wait() }
        shutdown.request()
        let error = await #expect(throws: ServiceGroupError.self) {
            try await group([waiting("store"), stuck], grace: .milliseconds(1)).run(until: shutdown)
        }
        #expect(error?.failures.map(\.service) == ["store", "stuck"])
        #expect(error?.failures.allSatisfy { $0.reason == "did not finish within the grace period" } == true)
        released.request()
    }

    @Test func cancellingTheCallerIsAnOrderlyStop() async throws {
        let group = group([waiting("store"), waiting("listener")])
        let run = Task { try await group.run(until: shutdown) }
        try await eventually("all run") { journal.entries.count == 2 }
        run.cancel()
        try await run.value
        #expect(journal.entries.suffix(2) == ["listener stops", "store stops"])
    }

    @Test func aCancellationErrorAfterTheRequestIsNoFailure() async throws {
        let polite = ServiceTask("polite") {
            await gracefulShutdown()
            throw CancellationError()
        }
        shutdown.request()
        try await group([polite]).run(until: shutdown)
        #expect(record.lines.isEmpty)
    }
}

@Suite struct ShutdownSignalTests {
    let signal = ShutdownSignal()

    @Test func hooksRunOnceInOrderAndRemovedOnesNot() {
        let journal = Journal()
        signal.onShutdown { journal.note("a") }
        let second = signal.onShutdown { journal.note("b") }
        signal.onShutdown { journal.note("c") }
        signal.removeHook(second)
        #expect(!signal.isShuttingDown)
        signal.request()
        signal.request()
        #expect(signal.isShuttingDown)
        #expect(journal.entries == ["a", "c"])
        signal.onShutdown { journal.note("late") }
        #expect(journal.entries == ["a", "c", "late"])
    }

    @Test func waitingEndsWithTheRequestOrWithCancellation() async {
        let waiting = Task { [signal] in await signal.wait() }
        let cancelled = Task { [signal] in await signal.wait() }
        cancelled.cancel()
        await cancelled.value
        #expect(!signal.isShuttingDown)
        signal.request()
        await waiting.value
        await signal.wait()
        #expect(signal.isShuttingDown)
    }

    @Test func aHandlerRunsDuringItsOperationOnly() async {
        let journal = Journal()
        await ShutdownSignal.$current.withValue(signal) {
            await withGracefulShutdownHandler {
                journal.note("over")
            } onGracefulShutdown: {
                journal.note("not any more")
            }
            await withGracefulShutdownHandler { [signal] in
                signal.request()
            } onGracefulShutdown: {
                journal.note("handled")
            }
        }
        #expect(journal.entries == ["over", "handled"])
    }
}

@Suite struct DedicatedThreadTests {
    @Test func theHookWakesABlockingLoop() async throws {
        let outer = ShutdownSignal()
        let turns = try await ShutdownSignal.$current.withValue(outer) {
            try await runOnDedicatedThread(name: "loop") { signal in
                let wake = BlockingGate()
                signal.onShutdown { wake.open() }
                outer.request()
                wake.passThrough()
                return signal.isShuttingDown ? 1 : 0
            }
        }
        #expect(turns == 1)
    }

    @Test func cancellationRaisesTheSignal() async throws {
        let entered = ShutdownSignal()
        let task = Task {
            try await runOnDedicatedThread(name: "loop") { signal in
                let wake = BlockingGate()
                signal.onShutdown { wake.open() }
                entered.request()
                wake.passThrough()
                return signal.isShuttingDown
            }
        }
        await entered.wait()
        task.cancel()
        #expect(try await task.value)
    }

    @Test func errorsComeBack() async {
        await #expect(throws: Failing.self) {
            try await runOnDedicatedThread(name: "loop") { _ in throw Failing() }
        }
    }
}
