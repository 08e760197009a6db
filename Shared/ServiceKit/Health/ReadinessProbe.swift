import Synchronization

/// What `/readyz` tells.
struct ReadinessReport: Sendable, Equatable, Encodable {
    struct Check: Sendable, Equatable, Encodable {
        let name: String
        let ready: Bool
        /// nil when ready.
        let reason: String?
    }

    let ready: Bool
    let checks: [Check]
}

/// Asks all checks at once, each within its own time.
final class ReadinessProbe: Sendable {
    private let checks: [BoundedCheck]
    private let shutdown: ShutdownSignal
    private let clock: any Clock<Duration>

    init(_ checks: [ReadinessCheck], shutdown: ShutdownSignal, clock: any Clock<Duration> = ContinuousClock()) {
        self.checks = checks.map(BoundedCheck.init)
        self.shutdown = shutdown
        self.clock = clock
    }

    func report() async -> ReadinessReport {
        if shutdown.isShuttingDown {
            return ReadinessReport(ready: false, checks: [.init(name: "process", ready: false, reason: "is shutting down")])
        }
        var results: [ReadinessReport.Check?] = checks.map { _ in nil }
        await withTaskGroup(of: (Int, Readiness).self) { [clock] group in
            for (index, check) in checks.enumerated() {
                group.addTask { (index, await check.ask(clock)) }
            }
            for await (index, readiness) in group {
                let reason: String? = if case .notReady(let reason) = readiness { reason } else { nil }
                results[index] = .init(name: checks[index].check.name, ready: readiness == .ready, reason: reason)
            }
        }
        let all = results.compactMap(\.self)
        return ReadinessReport(ready: all.allSatisfy(\.ready), checks: all)
    }
}

/// A check that hangs is asked once and then reported as hanging: probes must not pile up behind it.
private final class BoundedCheck: Sendable {
    let check: ReadinessCheck
    private let isRunning = Atomic<Bool>(false)

    init(_ check: ReadinessCheck) {
        self.check = check
    }

    func ask(_ clock: any Clock<Duration>) async -> Readiness {
        guard !isRunning.exchange(true, ordering: .acquiringAndReleasing) else {
            return .notReady("an earlier probe is still waiting for the answer")
        }
        let (answers, sender) = AsyncStream.makeStream(of: Readiness.self, bufferingPolicy: .bufferingOldest(1))
        let asking = Task { [self] in
            let answer: Readiness
            do {
                answer = try await check.check()
            } catch {
                answer = .notReady("\(error)")
            }
            isRunning.store(false, ordering: .releasing)
            sender.yield(answer)
        }
        let timer = Task { [check] in
            guard (try? await clock.sleep(for: check.timeout)) != nil else { return }
            sender.yield(.notReady("no answer within \(check.timeout.configText)"))
        }
        defer {
            timer.cancel()
            asking.cancel()
        }
        for await answer in answers { return answer }
        return .notReady("the probe was cancelled")
    }
}
