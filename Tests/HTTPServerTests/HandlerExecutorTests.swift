import Dispatch
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import HTTPServer

@Suite("HTTP server: the handlers' threads")
struct HandlerExecutorTests {
    @Test func runsWhatManyTasksAddToTheEnd() async {
        let executor = HandlerExecutor()
        let sum = await withTaskExecutorPreference(executor) {
            await withTaskGroup(of: Int.self) { group in
                for number in 1...2_000 {
                    group.addTask {
                        await Task.yield()
                        return await withCheckedContinuation { continuation in
                            // Comes back from a foreign thread.
                            DispatchQueue.global().async { continuation.resume(returning: number) }
                        }
                    }
                }
                return await group.reduce(0, +)
            }
        }
        #expect(sum == 2_001_000)
    }

    @Test func handsOverWhatTheNetworkThreadStartsInOneRound() async throws {
        let executor = HandlerExecutor()
        let tasks = try await onThread {
            executor.becomeNetworkThread()
            let tasks = (1...100).map { number in Task(executorPreference: executor) { number } }
            _ = executor.handOver(now: .now)
            let rest = (101...200).map { number in Task(executorPreference: executor) { number } }
            executor.resignNetworkThread()
            return tasks + rest
        }
        var sum = 0
        for task in tasks { sum += await task.value }
        #expect(sum == 20_100)
    }

    /// One worker keeps its thread; the others' answers must not wait for it.
    @Test func aHandlerThatBlocksItsThreadHoldsNobodyUp() async throws {
        let gate = ThreadGate()
        try await withServer(handler: { request in
            if request.path == "/blocks" { gate.wait() }
            return .text("done")
        }) { server in
            let base = "http://127.0.0.1:\(server.port)"
            async let blocked = curl(base + "/blocks")
            try await eventually("a handler blocks its thread") { gate.isReached }
            for _ in 0..<20 {
                let other = try await curl(base + "/other").output
                #expect(other == "done")
            }
            gate.open()
            let late = try await blocked.output
            #expect(late == "done")
        }
    }

    @Test func handlersStayOnTheServersThreadsWhenTheyAwait() async throws {
        try await withServer(handler: { _ in
            let first = threadName()
            try? await Task.sleep(for: .milliseconds(1))
            return .text(first + " " + threadName())
        }) { server in
            let names = try await curl("http://127.0.0.1:\(server.port)/").output
            #expect(names == "http-worker http-worker")
        }
    }
}

/// Blocks a thread until it is opened.
private final class ThreadGate: Sendable {
    private let reached = Atomic<Bool>(false)
    private let semaphore = DispatchSemaphore(value: 0)

    var isReached: Bool { reached.load(ordering: .acquiring) }

    func wait() {
        reached.store(true, ordering: .releasing)
        semaphore.wait()
    }

    func open() { semaphore.signal() }
}

/// As the kernel shows it (proc(5)).
private func threadName() -> String {
    (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))?.trimmingCharacters(in: .newlines) ?? ""
}
