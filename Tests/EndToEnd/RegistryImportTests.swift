import Foundation
import TestSupport
import Testing

/// The registry is killed while it imports; afterwards the same file is sent again, and the table and the topic tell the same.
@Suite("an import that is killed", .serialized, .timeLimit(.minutes(3)))
struct RegistryImportTests {
    static let rows = 100_000
    static let kills = 4

    @Test func tableAndTopicAgree() async throws {
        let stack = try await Stack.shared.value
        let seed = UInt64.random(in: 0 ... .max)
        print("registry import: kill moments from seed \(seed)")
        var random = SeededRandom(seed: seed)
        let database = try stack.postgres.makeDatabase()
        let registry = try RunningService(
            "device-registry", folder: stack.folder,
            environment: [
                "MARTLET_KAFKA_BOOTSTRAP": stack.kafka.bootstrap, "MARTLET_POSTGRES_URL": database,
                "MARTLET_KAFKA_TOPIC_PREFIX": "", "MARTLET_HTTP_HOST": "127.0.0.1",
            ])
        let file = stack.folder.appendingPathComponent("fleet.csv")
        try fleet().write(to: file, atomically: true, encoding: .utf8)
        try await registry.startAndAwaitReady()
        var cutShort = 0
        for _ in 0..<Self.kills {
            async let answer = send(file, to: registry)
            try await Task.sleep(for: .milliseconds(Int.random(in: 50...1_500, using: &random)))
            try await registry.stop(SIGKILL)
            cutShort += try await answer.code == 0 ? 0 : 1
            try await registry.startAndAwaitReady()
        }
        #expect(cutShort > 0, "every import was over before it was killed")
        let last = try await send(file, to: registry)
        #expect(last.code == 0, "\(last.output) \(last.errors)")
        let again = try await send(file, to: registry)
        #expect(again.output.contains("\"unchanged\":\(Self.rows),"), "\(again.output)")
        try await eventually("everything is published", within: 60) {
            try await registry.get("/metrics").body.contains("\niot_registry_outbox_entries 0")
        }
        let stored = try await table(database)
        let told = try await topic(stack)
        #expect(stored.count == Self.rows)
        #expect(told == stored)
        #expect(try await registry.stop(SIGTERM) == 0, "its log: \(registry.log)")
    }

    /// Ten gateways behind all others: the rows that name them come first.
    private func fleet() -> String {
        var text = "id,type,lifecycle,name,model,firmware,label:site,parent\n"
        for number in 0..<Self.rows {
            let isGateway = number >= Self.rows - 10
            let parent = isGateway || number % 50 != 0 ? "" : "import-\(Self.rows - 1 - number % 10)"
            text += "import-\(number),\(isGateway ? "gateway" : "sensor"),\(number % 3 == 0 ? "active" : "provisioned"),"
            // Some are of no known make: empty cells.
            let make = number % 4 == 0 ? "," : "M-\(number % 5),\(number % 3).\(number % 11).0"
            text += "Device \(number),\(make),s\(number % 7),\(parent)\n"
        }
        return text
    }

    private func send(_ file: URL, to registry: RunningService) async throws -> Outcome {
        try await runToEnd(
            "curl",
            [
                "-sS", "--fail-with-body", "-m", "60", "-X", "POST", "-T", file.path, "-H", "Content-Type: text/csv",
                "http://127.0.0.1:\(registry.port)/v1/devices:import?results=none",
            ])
    }

    /// What the table says of each device, by its id. Asked of PostgreSQL, because an export leaves revisions out.
    private func table(_ database: String) async throws -> [String: String] {
        let answer = try await runToEnd("psql", [database, "-XAtc", "SELECT to_jsonb(d) FROM registry.devices d"])
        #expect(answer.code == 0, "\(answer.errors)")
        return try lines(answer.output, key: "id")
    }

    /// What the last record about each device says.
    private func topic(_ stack: Stack) async throws -> [String: String] {
        let records = try await stack.martlet(
            "tail", "registry.devices", "--from", "beginning", "--no-follow", "--kafka", stack.kafka.bootstrap)
        return try lines(records.output, key: "device")
    }

    private func lines(_ text: String, key: String) throws -> [String: String] {
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], let id = object[key] as? String,
                id.hasPrefix("import-")
            else { continue }
            let labels = (object["labels"] as? [String: String] ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let revision = (object["revision"] as? Int).map { "\($0)" } ?? "no revision"
            let members = ["type", "lifecycle", "name", "model", "firmware", "parent"].map { object[$0] as? String ?? "-" }
            found[id] = ([revision] + members + labels).joined(separator: "|")
        }
        return found
    }
}
