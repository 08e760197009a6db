import Domain
import Foundation

/// Sends a fleet's messages on schedule and keeps its ledger. One thread; memory O(devices + messages in flight).
final class Simulator {
    struct Limits: Sendable {
        /// How far back the fleet begins, µs; `nil`: now.
        var backfill: Int64?
        /// µs, from the end of the past; `nil`: until told to stop.
        var duration: Int64?
        /// How long to wait at the end for outstanding PUBACKs, µs.
        var drain: Int64
        /// How long no connection at all may come up at the beginning, µs.
        var patience: Int64
    }

    let plan: FleetPlan
    private let connections: FleetConnections
    private let ledger: LedgerWriter?
    private let limits: Limits
    private let clock: FleetClock
    private let progress = ProgressLine()
    private var timeline: Timeline
    private var sequence: SendSequence
    private var payload: PayloadWriter
    private var bytes: [UInt8] = []
    private var batch: [SendSequence.Item] = []
    private var sentRuns = RunJoiner()
    private var repeatRuns = RunJoiner()
    private var repeated = 0
    private let startedAt: Int64
    /// Whether what is sent still lies in the past, and when that ended.
    private var isInThePast: Bool
    private var presentSince: Int64?
    private var sentOfThePast: Int?
    private var hasWarnedUnrouted = false
    private var reportedLosses = 0

    /// Messages handed over between two looks at the sockets.
    private static let batchLimit = 256
    /// A fleet that is further behind its schedule sets its clock anew instead of catching up in a burst.
    private static let tolerance: Int64 = 1_000_000
    /// The past begins a little later than asked for: on its way the oldest reading must not grow older than ingestion takes.
    static let margin: Int64 = 60_000_000

    init(
        plan: FleetPlan, sequence: SendSequence, connections: FleetConnections, ledger: LedgerWriter?, limits: Limits, clock: FleetClock
    ) {
        self.plan = plan
        self.sequence = sequence
        self.connections = connections
        self.ledger = ledger
        self.limits = limits
        self.clock = clock
        timeline = Timeline(plan: plan)
        payload = PayloadWriter(plan: plan)
        startedAt = clock.microseconds
        isInThePast = limits.backfill != nil
    }

    /// Runs to the end of the messages or the time, or until `isStopped`.
    func run(isStopped: () -> Bool) throws -> SimulationSummary {
        defer { progress.end() }
        try awaitConnections(isStopped)
        let beganAt = clock.microseconds
        if !isInThePast { presentSince = beganAt }
        while !isStopped(), end.map({ clock.microseconds < $0 }) ?? true {
            guard let next = sequence.upcoming else { break }
            try sendWhatIsDue()
            try connections.step(milliseconds: pause(until: next))
            try settle()
            showProgress(since: beganAt)
        }
        let sendingEndedAt = clock.microseconds
        try finish(isStopped)
        return summary(seconds: Double(sendingEndedAt - beganAt) / 1e6)
    }

    /// `--for` counts from where the past ends.
    private var end: Int64? {
        guard let duration = limits.duration, let presentSince else { return nil }
        return presentSince + duration
    }

    private func awaitConnections(_ isStopped: () -> Bool) throws {
        try connections.open()
        let deadline = startedAt + limits.patience
        while connections.connected < connections.settings.clients, !isStopped() {
            try connections.step(milliseconds: 50)
            guard clock.microseconds > deadline else { continue }
            if connections.connected > 0 { return }
            let broker = connections.settings.broker.argumentText
            let reason = connections.lastError.map { "\($0)" } ?? "no answer"
            throw ToolError(.unavailable, "no MQTT broker at \(broker): \(reason)\nIs it running? Another address: --mqtt host:port")
        }
    }

    private func sendWhatIsDue() throws {
        batch.removeAll(keepingCapacity: true)
        var now = clock.microseconds
        while batch.count < Self.batchLimit {
            if let round = sequence.beginningRound { keepSchedule(round, now) }
            guard let next = sequence.upcoming else { break }
            let due = timeline.due(next.device, next.message)
            if due > now { now = clock.microseconds }
            if due > now { reachPresent(now) }
            guard due <= now, end.map({ due < $0 }) ?? true, connections.hasRoom(next.device), let item = sequence.next() else { break }
            batch.append(item)
        }
        try send()
    }

    /// At the beginning of a round: is the schedule still that of the clock?
    private func keepSchedule(_ round: UInt32, _ now: Int64) {
        if !timeline.anchors.isEmpty {
            guard !isInThePast, now - timeline.due(0, round) > Self.tolerance else { return }
        }
        let begin = isInThePast ? now - (limits.backfill ?? 0) + Self.margin + plan.reachBack : now
        let anchor = timeline.anchor(firstMessage: round, base: begin)
        ledger?.append(.anchor(firstMessage: anchor.firstMessage, base: anchor.base))
    }

    /// The next message is not due yet: a fleet that was in its past has sent all of it.
    private func reachPresent(_ now: Int64) {
        guard isInThePast else { return }
        isInThePast = false
        presentSince = now
        let sent = Int(sequence.taken)
        sentOfThePast = sent
        progress.end()
        standardError("The past is sent: \(grouped(sent)) messages in \(grouped(Int((now - startedAt) / 1_000_000))) s\n")
    }

    /// Ledger first: nothing leaves that the file does not know.
    private func send() throws {
        guard !batch.isEmpty else { return }
        for item in batch {
            if item.isRepeat { repeatRuns.add(item.device, item.message) } else { sentRuns.add(item.device, item.message) }
        }
        if let ledger {
            sentRuns.drain { ledger.append(.sent(device: $0, message: $1, count: $2)) }
            repeatRuns.drain { ledger.append(.repeated(device: $0, message: $1, count: $2)) }
            try ledger.flush()
        } else {
            sentRuns.drain { _, _, _ in }
            repeatRuns.drain { _, _, _ in }
        }
        for item in batch {
            try payload.write(item.device, item.message, timeline, into: &bytes)
            try connections.publish(item.device, item.message, bytes)
            if item.isRepeat { repeated += 1 }
        }
    }

    /// Milliseconds until the next message is due; short while a connection is full: its PUBACK wakes us.
    private func pause(until next: (device: Int, message: UInt32)) -> Int32 {
        guard !timeline.anchors.isEmpty else { return 0 }
        let now = clock.microseconds
        var wait = timeline.due(next.device, next.message) - now
        if let end { wait = min(wait, end - now) }
        if wait <= 0 { return connections.hasRoom(next.device) ? 0 : 50 }
        return Int32(min(50, max(1, wait / 1_000)))
    }

    private func settle() throws {
        if let ledger {
            connections.acknowledged.drain { ledger.append(.acknowledged(device: $0, message: $1, count: $2)) }
            try ledger.flush()
            try ledger.sync(now: .now)
        } else {
            connections.acknowledged.drain { _, _, _ in }
        }
        warn()
    }

    private func warn() {
        if connections.counts.unrouted > 0, !hasWarnedUnrouted {
            hasWarnedUnrouted = true
            progress.end()
            standardError(
                "The broker acknowledges, but says 'no matching subscribers': it throws these messages away, because ingestion has never"
                    + " subscribed. They are lost.\n")
        }
        if connections.counts.connectionsLost >= max(1, reportedLosses * 2), let error = connections.lastError {
            reportedLosses = connections.counts.connectionsLost
            progress.end()
            standardError("Connection lost (\(reportedLosses) so far), trying again: \(error)\n")
        }
    }

    /// Sends what was held back and waits for the outstanding PUBACKs, for a bounded time. A second signal ends the process at once.
    private func finish(_ isStopped: () -> Bool) throws {
        let deadline = clock.microseconds + limits.drain
        var rest = sequence.finish()[...]
        while (!rest.isEmpty || connections.inFlight > 0) && clock.microseconds < deadline {
            batch.removeAll(keepingCapacity: true)
            while let item = rest.first, batch.count < Self.batchLimit, connections.hasRoom(item.device) {
                batch.append(item)
                rest.removeFirst()
            }
            try send()
            try connections.step(milliseconds: 20)
            try settle()
            progress.show(now: .now) { "waiting for \(connections.inFlight) acknowledgements" }
        }
        try connections.close()
        ledger?.append(.finished)
        try ledger?.sync(now: .now, force: true)
    }

    private func showProgress(since beganAt: Int64) {
        progress.show(now: .now) {
            let seconds = Double(clock.microseconds - beganAt) / 1e6
            let sent = Int(sequence.taken)
            return "sent \(grouped(sent))   acknowledged \(grouped(connections.counts.acknowledged))"
                + "   in flight \(connections.inFlight)   \(grouped(Int(Double(sent) / max(0.001, seconds)))) msg/s"
                + "   connections \(connections.connected)/\(connections.settings.clients)" + pastText
        }
    }

    /// Where in the past the fleet is.
    private var pastText: String {
        guard isInThePast, !timeline.anchors.isEmpty, let next = sequence.upcoming else { return "" }
        return "   past up to \(Timestamp(microseconds: timeline.due(0, next.message)).rfc3339.prefix(16))"
    }

    private func summary(seconds: Double) -> SimulationSummary {
        SimulationSummary(
            plan: plan, clients: connections.settings.clients, seconds: seconds, sent: Int(sequence.taken), ofThePast: sentOfThePast,
            repeated: repeated,
            counts: connections.counts, unacknowledged: plan.qos == 1 ? connections.inFlight : 0, latency: connections.latency,
            anchors: timeline.anchors.count, ledger: ledger?.path)
    }
}
