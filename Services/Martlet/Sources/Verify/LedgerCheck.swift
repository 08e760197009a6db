import Foundation
import PostgresClient

/// Runs a verification against servers: waits until rows have come to rest, reads them, and reads the ledger's end once more.
struct LedgerCheck {
    let reader: LedgerReader
    let rows: StoredRows
    /// Where to look for records and dead letters, too.
    let kafka: Broker?

    struct Broker {
        let bootstrap: String
        let telemetry: String
        let deadLetters: String
    }

    func run(patience: Int64, quiet: Int64) throws -> VerificationReport {
        let clock = FleetClock()
        let progress = ProgressLine()
        defer { progress.end() }
        let deadline = clock.microseconds + patience
        var known = Verification(plan: reader.plan)
        var settling = Settling(patience: patience, quiet: quiet, now: clock.microseconds)
        // Of a simulation that still runs, what has been acknowledged by now is judged.
        try reader.readNew { entry throws(LedgerProblem) in try known.apply(entry) }
        while true {
            guard let window = known.window else { return known.report() }
            if let stored = try count(window, isPatient: clock.microseconds < deadline) {
                let expected = known.acknowledgedRows
                if case .compare(let isLast) = settling.look(stored: stored, expected: expected, now: clock.microseconds) {
                    let report = try compare(window, &known)
                    if isLast || report.lost == 0 { return report }
                }
                progress.show(now: .now) { "stored \(grouped(stored)) of \(grouped(expected)) acknowledged readings" }
            }
            if StopSignal.isReceived { throw ToolError(.internalError, "stopped before the rows had come to rest") }
            // Between two looks; a signal ends it early.
            poll(nil, 0, 500)
        }
    }

    /// `nil`: the database is away, and there is time for it to come back.
    private func count(_ window: ClosedRange<Int64>, isPatient: Bool) throws -> Int? {
        do {
            return try rows.count(window)
        } catch let error as PostgresError where isPatient && (error.isRetriable || error.isConnectionLoss) {
            return nil
        }
    }

    /// Works on a copy, since the wait may go on afterwards; what the ledger tells meanwhile becomes known as well.
    private func compare(_ window: ClosedRange<Int64>, _ known: inout Verification) throws -> VerificationReport {
        var verification = known
        try rows.read(window, into: &verification)
        if let kafka {
            var account = DeadLetterAccount(plan: reader.plan)
            try account.read(kafka: kafka.bootstrap, topic: kafka.deadLetters, into: &verification)
            try RecordAccount(plan: reader.plan).read(kafka: kafka.bootstrap, topic: kafka.telemetry, into: &verification)
        }
        verification.settleLosses()
        // What was sent while the rows were being read is not invented.
        try reader.readNew { entry throws(LedgerProblem) in
            try known.apply(entry)
            try verification.apply(entry)
        }
        return verification.report()
    }
}
