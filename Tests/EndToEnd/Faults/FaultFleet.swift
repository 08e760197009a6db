import Foundation
import TestSupport

/// A simulated fleet that sends until it is told to stop, and its ledger.
struct FaultFleet: Sendable {
    let name: String
    let ledger: String
    let child: ChildProcess
    let stack: FaultStack

    init(_ name: String, on stack: FaultStack, rate: Int = 1_000, options: [String] = []) throws {
        self.name = name
        self.stack = stack
        ledger = stack.folder.appendingPathComponent("\(name).ledger").path
        child = try ChildProcess(
            "simulate-\(name)", Binaries.path("martlet"),
            [
                "simulate", "--prefix", "\(name)-", "--devices", "200", "--rate", "\(rate)", "--clients", "20", "--drain", "180",
                "--ledger", ledger, "--mqtt", "127.0.0.1:\(try stack.proxy(.fleetToBroker).port)",
            ] + options, folder: stack.folder)
    }

    /// Ends the sending, waits until nothing is outstanding, and holds what is stored against what was acknowledged.
    func judge(patience: Int = 180, quiet: Int = 45) async throws -> FaultVerdict {
        child.signal(SIGTERM)
        try await eventually("the fleet \(name) ends; log: \(child.log.path)", within: 240) { !child.isRunning }
        let outcome = try await runToEnd(
            Binaries.path("martlet"),
            [
                "verify", "--ledger", ledger, "--postgres", stack.postgresURL, "--kafka", stack.kafka.bootstrap, "--wait", "\(patience)",
                "--quiet", "\(quiet)", "--json",
            ])
        guard let verdict = try? JSONDecoder().decode(FaultVerdict.self, from: Data(outcome.output.utf8)) else {
            throw SupportError("martlet verify gave \(outcome.code): \(outcome.output) \(outcome.errors)")
        }
        return verdict
    }
}

/// What `martlet verify --kafka --json` prints, as far as the oracle needs it.
struct FaultVerdict: Decodable, CustomStringConvertible {
    struct Records: Decodable {
        let found: Int
        let repeated: Int
        let disordered: Int
        let missing: Int
    }

    let sent: Int
    let acknowledged: Int
    let stored: Int
    let deadLettered: Int
    let lost: Int
    let duplicated: Int
    let invented: Int
    let wrong: Int
    let finished: Bool
    let records: Records

    /// A ⊆ K, A ⊆ R ∪ D, R ∪ D ⊆ S, nothing twice, every value as it was sent.
    var isClean: Bool { lost == 0 && duplicated == 0 && invented == 0 && wrong == 0 && records.missing == 0 }

    var description: String {
        "sent \(sent) acknowledged \(acknowledged) stored \(stored) dead letters \(deadLettered) lost \(lost) doubled \(duplicated) "
            + "invented \(invented) wrong \(wrong); Kafka records \(records.found), repeated \(records.repeated), "
            + "out of order \(records.disordered), missing \(records.missing)"
    }
}

extension FaultStack {
    /// What the books of the stack, at rest, cannot account for: in the lives that the services lead now, and, for what the database
    /// keeps over every restart, since this fleet began. All zero, or something was lost or made up uncounted.
    func residuals(_ fleet: FaultFleet, _ verdict: FaultVerdict) throws -> [String: Double] {
        let names =
            ["received", "produced", "rejected", "returned"].map { "iot_mqtt_messages_\($0)_total" } + ["iot_mqtt_messages_in_flight"]
        let hop = names.map(ingestion.count)
        let stages = ["consumed", "written", "duplicate", "dead_lettered", "returned"].map { "iot_records_\($0)_total" }
        let store = (stages + ["iot_records_in_flight"]).map(writer.count)
        let sums = try ledgerSums(fleet)
        return [
            "ingestion: received − produced − rejected − returned − in flight": hop[0] - hop[1...].reduce(0, +),
            "writer: consumed − written − duplicate − dead letters − returned − in flight": store[0] - store[1...].reduce(0, +),
            "since the start: Kafka's records − readings taken − repeats kept out": Double(verdict.records.found) - sums.taken
                - sums.repeats,
            "since the start: rows − readings taken": Double(verdict.stored) - sums.taken,
        ]
    }

    /// Readings of the fleet's devices that the ledgers in the database have taken, and repeats that they have kept out: written in the
    /// transactions of the rows, so they outlive every kill.
    private func ledgerSums(_ fleet: FaultFleet) throws -> (taken: Double, repeats: Double) {
        let database = postgresURL.split(separator: "/").last.map(String.init) ?? ""
        let text = try postgres.psql(
            """
            SELECT coalesce(sum(received), 0) || ' ' || coalesce(sum(duplicates), 0) FROM timeseries.stream_ledger l
            JOIN timeseries.devices d ON d.id = l.device_id WHERE d.device LIKE '\(fleet.name)-%'
            """, database: database)
        let numbers = text.split(separator: " ").compactMap { Double($0) }
        guard numbers.count == 2 else { throw SupportError("the ledgers' sums: \(text)") }
        return (numbers[0], numbers[1])
    }
}
