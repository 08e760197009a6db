import HTTPServer
import PostgresClient
import TestSupport
import Testing

@testable import DeviceRegistry

/// What every change entails in its own transaction: outbox entries, audit rows, counts.
@Suite("What a change entails")
struct EntailedRowsTests {
    @Test("each accepted change is one outbox entry and one audit row; what changes nothing is none")
    func outboxAndAudit() async throws {
        try await RegistryFixture.with { registry in
            let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
            try connection.execute("TRUNCATE registry.outbox, registry.audit")
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor","name":"a"}"#, ["X-Request-Id": "ignored-by-the-router"])
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor","name":"a"}"#)
            try await registry.ask(.patch, "/v1/devices/d", #"{"name":"b"}"#)
            try await registry.ask(.post, "/v1/devices/d:suspend")
            try await registry.ask(.delete, "/v1/devices/d")
            try await registry.ask(.delete, "/v1/devices/d")
            try await registry.ask(.post, "/v1/devices/d:purge")
            #expect(try registry.rows("SELECT kind, key FROM registry.outbox ORDER BY seq") == Array(repeating: "device|d", count: 5))
            #expect(
                try registry.rows(
                    "SELECT actor, action, before ->> 'name', after ->> 'name', request_id FROM registry.audit ORDER BY id") == [
                        "local|create|a|test", "local|patch|a|b|test", "local|suspend|b|b|test", "local|delete|b|b|test",
                        "local|purge|b|test",
                    ])
        }
    }

    @Test("a change by hand is told with the session's user")
    func byHand() async throws {
        try await RegistryFixture.with { registry in
            let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
            try connection.execute("INSERT INTO registry.devices (id, type) VALUES ('x', 'sensor')")
            #expect(
                try registry.rows("SELECT actor = session_user, action FROM registry.audit WHERE kind = 'device'") == ["true|create"])
            #expect(throws: PostgresError.self) { try connection.execute("DELETE FROM registry.devices") }
        }
    }

    @Test("a transaction that fails leaves nothing: no row, no entry, no audit, no count")
    func rollback() async throws {
        try await RegistryFixture.with { registry in
            let before = try registry.dump()
            struct Failure: Error {}
            await #expect(throws: Failure.self) {
                try await registry.database.change(Author(actor: "a", action: "b")) { connection in
                    try connection.execute("INSERT INTO registry.devices (id, type) VALUES ('x', 'sensor')")
                    throw Failure()
                }
            }
            #expect(try registry.dump() == before)
            #expect(registry.changes.value == 0)
        }
    }

    @Test("counts by status and type are true after any changes, concurrent ones included")
    func counts() async throws {
        try await RegistryFixture.with { registry in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        var random = SeededRandom(seed: UInt64(worker))
                        let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
                        for _ in 0..<150 { try Self.step(connection, &random) }
                    }
                }
                try await group.waitForAll()
            }
            let truth = """
                SELECT d.type, coalesce(p.status, 'offline') AS status, count(*) AS count FROM registry.devices d
                LEFT JOIN registry.presence p ON p.device = d.id WHERE d.deleted_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2
                """
            let expected = try registry.rows(truth)
            #expect(!expected.isEmpty)
            #expect(try registry.rows("SELECT type, status, count FROM registry.device_totals ORDER BY 1, 2") == expected)
        }
    }

    /// One random change of a small set of devices, so that they meet.
    private static func step(_ connection: PostgresConnection, _ random: inout SeededRandom) throws {
        let id = "d\(Int.random(in: 0..<8, using: &random))"
        let type = ["sensor", "actuator", "gateway"].randomElement(using: &random) ?? "sensor"
        let status = ["online", "offline", "error"].randomElement(using: &random) ?? "online"
        do {
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                try connection.query(
                    "INSERT INTO registry.devices (id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING", [.text(id), .text(type)])
            case 2:
                try connection.query(
                    "UPDATE registry.devices SET type = $2, revision = revision + 1 WHERE id = $1", [.text(id), .text(type)])
            case 3:
                try connection.query(
                    "UPDATE registry.devices SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE id = $1", [.text(id)])
            case 4: try connection.query("DELETE FROM registry.devices WHERE id = $1 AND deleted_at IS NOT NULL", [.text(id)])
            default:
                try connection.query(
                    """
                    INSERT INTO registry.presence (device, status) SELECT id, $2 FROM registry.devices WHERE id = $1 FOR SHARE
                    ON CONFLICT (device) DO UPDATE SET status = excluded.status
                    """, [.text(id), .text(status)])
            }
        } catch {
            // Deadlocks and devices that vanish are part of the play; the transaction left nothing.
            guard error.isRetriable || SQLStateClass.integrityViolation ~= error else { throw error }
        }
    }
}
