import Domain

/// Holds the ledger of a simulation against the rows that arrived. Pure accounting: entries and rows in, a report out.
/// Memory: a few bits per message and per row.
///
/// Order of use for a simulation that may still be running: ledger → rows → `settleLosses()` → rest of the ledger → `report()`.
/// A message acknowledged after the rows were read is then not called lost, one sent after the first ledger read not invented.
struct Verification: Sendable {
    let plan: FleetPlan
    private(set) var timeline: Timeline
    private var accounts: [Account]
    private(set) var isFinished = false
    /// Due time of the latest message sent; rows behind it do not belong to this ledger.
    private(set) var lastTime: Int64?
    private var tally = VerificationReport()
    private var hasSettledLosses = false

    /// Examples kept of each kind of finding.
    static let exampleLimit = 10

    private struct Account: Sendable {
        var sent = BitSet()
        var acknowledged = BitSet()
        var deadLettered = BitSet()
        /// In the telemetry topic.
        var recorded = BitSet()
        var lastRecorded: UInt32 = 0
        /// Bit `message × rowsPerMessage + reading × metrics + metric`.
        var rows = BitSet()
    }

    init(plan: FleetPlan) {
        self.plan = plan
        timeline = Timeline(plan: plan)
        accounts = Array(repeating: Account(), count: plan.devices)
    }

    mutating func apply(_ entry: LedgerEntry) throws(LedgerProblem) {
        switch entry {
        case .anchor(let firstMessage, let base):
            guard firstMessage >= timeline.anchors.last?.firstMessage ?? 0 else {
                throw LedgerProblem("anchors out of order: message \(firstMessage) after \(timeline.anchors.last?.firstMessage ?? 0)")
            }
            timeline.anchor(firstMessage: firstMessage, base: base)
        case .sent(let device, let message, let count):
            guard !timeline.anchors.isEmpty else { throw LedgerProblem("a message before the first anchor") }
            for index in device..<device + count where accounts[index].sent.insert(Int(message)) { tally.messages.sent += 1 }
            lastTime = max(lastTime ?? .min, timeline.due(device + count - 1, message))
        case .acknowledged(let device, let message, let count):
            for index in device..<device + count where accounts[index].acknowledged.insert(Int(message)) {
                tally.messages.acknowledged += 1
            }
        case .repeated(_, _, let count):
            tally.messages.repeated += count
        case .finished:
            isFinished = true
        }
    }

    /// Earliest and latest event time that a row of this ledger can have.
    var window: ClosedRange<Int64>? {
        guard let first = timeline.anchors.first, let lastTime else { return nil }
        return first.base - plan.reachBack...max(first.base, lastTime)
    }

    /// Rows that the acknowledged messages must have left.
    var acknowledgedRows: Int {
        accounts.indices.reduce(0) { $0 + accounts[$1].acknowledged.count * plan.rowsPerMessage($1) }
    }

    /// One stored row of a device of this fleet inside the window.
    mutating func observe(device: Int, metric name: String, unit: String?, time: Int64, value: MetricValue?) {
        let metrics = plan.metrics(device)
        guard let located = timeline.locate(device, time: time), let metric = metrics.firstIndex(where: { $0.name == name }) else {
            tally.count(.invented, Finding(device: plan.deviceName(device), metric: name, time: time, sequence: nil, found: value))
            return
        }
        let ordinal = Int(located.message) * plan.readingsPerMessage(device) + located.reading
        let row = ordinal * metrics.count + metric
        guard accounts[device].rows.insert(row) else {
            tally.count(.duplicated, finding(device, row, found: value))
            return
        }
        let expected = metrics[metric].value(seed: plan.seed, device: device, sequence: UInt64(ordinal))
        if value != expected || unit != metrics[metric].unit { tally.count(.wrong, finding(device, row, found: value)) }
    }

    /// A message of this fleet was found in the dead letters.
    mutating func deadLettered(device: Int, message: UInt32) {
        if accounts[device].deadLettered.insert(Int(message)) { tally.deadLettered += plan.rowsPerMessage(device) }
    }

    /// A message of this fleet was found in the telemetry topic; per device in the order of the topic.
    mutating func recorded(device: Int, message: UInt32) {
        var records = tally.records ?? VerificationReport.Records()
        records.found += 1
        if !accounts[device].recorded.insert(Int(message)) {
            records.repeated += 1
        } else if message < accounts[device].lastRecorded {
            records.disordered += 1
        } else {
            accounts[device].lastRecorded = message
        }
        tally.records = records
    }

    /// Counts what is acknowledged by now and has neither row nor dead letter.
    mutating func settleLosses() {
        guard !hasSettledLosses else { return }
        hasSettledLosses = true
        for device in accounts.indices {
            let account = accounts[device]
            account.acknowledged.visit { message in
                if !account.recorded.contains(message), !account.deadLettered.contains(message) { tally.records?.missing += 1 }
                let missing = missingRows(account, device, message)
                if !missing.isEmpty, !account.deadLettered.contains(message) {
                    tally.messages.lost += 1
                    for row in missing { tally.count(.lost, finding(device, row)) }
                }
            }
        }
    }

    private func missingRows(_ account: Account, _ device: Int, _ message: Int) -> [Int] {
        let rows = plan.rowsPerMessage(device)
        return (message * rows..<(message + 1) * rows).filter { !account.rows.contains($0) }
    }

    private func finding(_ device: Int, _ row: Int, found: MetricValue? = nil) -> Finding {
        let metrics = plan.metrics(device)
        let readings = plan.readingsPerMessage(device)
        let (ordinal, metric) = row.quotientAndRemainder(dividingBy: metrics.count)
        let message = UInt32(ordinal / readings)
        let sequence = UInt64(ordinal)
        return Finding(
            device: plan.deviceName(device), metric: metrics[metric].name,
            time: timeline.time(device, message, reading: ordinal % readings), sequence: sequence, found: found,
            expected: metrics[metric].value(seed: plan.seed, device: device, sequence: sequence))
    }

    /// The account as it stands.
    func report() -> VerificationReport {
        var settled = self
        settled.settleLosses()
        var report = settled.tally
        for device in accounts.indices {
            let account = accounts[device]
            let rows = plan.rowsPerMessage(device)
            report.sent += account.sent.count * rows
            report.acknowledged += account.acknowledged.count * rows
            account.rows.visit { row in
                let message = row / rows
                guard account.sent.contains(message) else { return report.count(.invented, finding(device, row)) }
                report.stored += 1
                if !account.acknowledged.contains(message) { report.unacknowledgedStored += 1 }
            }
        }
        report.isFinished = isFinished
        return report
    }
}
