import Foundation
import JSON
import PostgresClient
import Wire

/// `martlet verify`
enum VerifyCommand {
    static let ledger = Option<String>.file("ledger", help: "Ledger that martlet simulate wrote.")
    static let wait = Option<Seconds>(
        "wait", "TIME", default: Seconds(0), help: "Wait so long at most for what was acknowledged to be stored; ends as soon as it is.")
    static let quiet = Option<Seconds>(
        "quiet", "TIME", default: Seconds(30), help: "End the wait when no row has come for so long.")
    static let kafka = Option<String>(
        "kafka", "HOST:PORT",
        help: "Look into this Kafka, too: missing messages among the dead letters, records, repeats and their order in telemetry.")
    static let json = Flag("json", help: "Print the result as one JSON object.")

    static let command = Command(
        name: "verify",
        summary: "compare the ledger of a simulation with the stored rows: lost, duplicated, invented, wrong",
        discussion: """
            Reads the ledger and every row of the fleet's devices in its time window (view timeseries.readings). Lost means: acknowledged by
            the broker, but neither stored nor a dead letter. Counts are readings, one row each. Rows of messages whose acknowledgement never
            came back are allowed. Exit code 1 when anything is lost, duplicated, invented or wrong.
            """,
        examples: [
            .init("martlet verify --ledger run.ledger", "compare now"),
            .init("martlet verify --ledger run.ledger --wait 60 --json | jq .lost", "give the writer up to a minute; one number"),
            .init(
                "martlet verify --ledger run.ledger --kafka 127.0.0.1:9092", "messages among the dead letters are accounted for, not lost"),
        ],
        options: [
            ledger.declaration, ServerOptions.postgres.declaration, wait.declaration, quiet.declaration, kafka.declaration,
            ServerOptions.topicPrefix.declaration, json.declaration,
        ],
        run: run)

    static func run(_ arguments: Arguments) throws -> ExitCode {
        StopSignal.install()
        let path = try arguments.value(ledger)
        let reader = try LedgerReader(path: path)
        let prefix = try arguments.optional(ServerOptions.topicPrefix) ?? ""
        let kafka = try arguments.optional(kafka).map {
            LedgerCheck.Broker(
                bootstrap: $0, telemetry: prefix + Topics.telemetry.name, deadLetters: prefix + Topics.deadLetters.name)
        }
        let check = LedgerCheck(
            reader: reader, rows: StoredRows(url: try arguments.value(ServerOptions.postgres), plan: reader.plan),
            kafka: kafka)
        let report = try check.run(patience: try arguments.value(wait).microseconds, quiet: try arguments.value(quiet).microseconds)
        let output = OutputLines()
        if arguments.has(json) {
            _ = try output.write(report.json(ledger: path, plan: reader.plan).text)
        } else {
            _ = try output.write(String(report.text(ledger: path, plan: reader.plan).dropLast()))
        }
        return report.isClean ? .success : .verificationFailed
    }
}
