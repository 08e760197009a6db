import Glibc
import PostgresClient
import Synchronization
import TestSupport
import Testing

func killProcess(_ pid: Int32) { kill(pid, SIGKILL) }

@Suite("PostgresClient: pool and migrations")
struct PostgresPoolTests {
    @Test func neverMoreConnectionsThanItsSize() async throws {
        try await withPostgresDatabase { url, server in
            let pool = PostgresPool(.init(url: url, options: PostgresOptions(applicationName: "bounded"), size: 3))
            defer { pool.close() }
            let pids = try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        try await pool.run { connection in
                            try connection.query("SELECT pg_sleep(0.005)")
                            return connection.serverProcessID
                        }
                    }
                }
                return try await group.reduce(into: Set<Int32>()) { $0.insert($1) }
            }
            #expect(!pids.isEmpty && pids.count <= 3)
            #expect(try server.psql("SELECT count(*) <= 3 FROM pg_stat_activity WHERE application_name = 'bounded'") == "t")
        }
    }

    @Test func aFullQueueRefusesAtOnce() async throws {
        try await withPostgresDatabase { url, _ in
            let pool = PostgresPool(.init(url: url, options: testOptions, size: 1, maxWaiting: 2))
            defer { pool.close() }
            let busy = Mutex(false)
            let release = Mutex(false)
            let first = Task {
                try await pool.run { _ in
                    busy.withLock { $0 = true }
                    while !release.withLock({ $0 }) { usleep(1000) }
                }
            }
            try await eventually("the only connection is busy") { busy.withLock { $0 } }
            let waiting = (0..<2).map { _ in Task { try await pool.run { _ in } } }
            try await eventually("two calls wait") { pool.waiting == 2 }
            await #expect(throws: PostgresPoolError.self) { try await pool.run { _ in } }
            release.withLock { $0 = true }
            try await first.value
            for task in waiting { try await task.value }
        }
    }

    @Test func withoutAQueueAFreeConnectionStillServes() async throws {
        try await withPostgresDatabase { url, _ in
            let pool = PostgresPool(.init(url: url, options: testOptions, size: 1, maxWaiting: 0))
            defer { pool.close() }
            let process = try await pool.run { $0.serverProcessID }
            #expect(process > 0)
        }
    }

    @Test func cancellingTheTaskCancelsTheStatement() async throws {
        try await withPostgresDatabase { url, server in
            let pool = PostgresPool(.init(url: url, options: PostgresOptions(applicationName: "cancelled"), size: 1))
            defer { pool.close() }
            let task = Task { try await pool.run { try $0.execute("SELECT pg_sleep(600)") } }
            let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cancelled' AND state = 'active'"
            try await eventually("the statement runs") { try server.psql(running) == "1" }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await eventually("the statement is gone") { try server.psql(running) == "0" }
            let value = try await pool.run { try $0.query("SELECT 1")[0].get(0, as: Int64.self) }
            #expect(value == 1)
        }
    }

    @Test func anIdleConnectionThatDiedIsReplacedUnseen() async throws {
        try await withPostgresDatabase { url, server in
            let pool = PostgresPool(.init(url: url, options: testOptions, size: 1))
            defer { pool.close() }
            let pid = try await pool.run { $0.serverProcessID }
            try server.psql("SELECT pg_terminate_backend(\(pid), 5000)")
            let next = try await pool.run { connection in
                try connection.query("SELECT 1")
                return connection.serverProcessID
            }
            #expect(next != pid)
        }
    }

    @Test func aTransactionLeftOpenIsRolledBack() async throws {
        try await withPostgresDatabase { url, _ in
            let pool = PostgresPool(.init(url: url, options: testOptions, size: 1))
            defer { pool.close() }
            try await pool.run { connection in
                try connection.execute("CREATE TABLE t (a int4)")
                try connection.execute("BEGIN")
                try connection.execute("INSERT INTO t VALUES (1)")
            }
            let (pending, rows) = try await pool.run { connection in
                (connection.isInTransaction, try connection.query("SELECT count(*) FROM t")[0].get(0, as: Int64.self))
            }
            #expect(!pending && rows == 0)
        }
    }

    @Test func aClosedPoolSaysSo() async throws {
        let pool = PostgresPool(.init(url: "postgresql://127.0.0.1:1/none", options: testOptions, size: 1))
        await #expect(throws: PostgresError.self) { try await pool.run { _ in } }
        pool.close()
        await #expect(throws: PostgresPoolError.self) { try await pool.run { _ in } }
    }

    @Test func replicasThatStartTogetherMigrateOnce() async throws {
        try await withPostgresDatabase { url, _ in
            let migrator = Migrator(
                schema: "demo",
                migrations: [
                    Migration(version: 1, name: "init", sql: "CREATE TABLE demo.t (a int4);"),
                    Migration(version: 2, name: "fill", sql: "INSERT INTO demo.t VALUES (1);"),
                ])
            let pool = PostgresPool(.init(url: url, options: testOptions, size: 6))
            defer { pool.close() }
            let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<6 { group.addTask { try await pool.run { try migrator.migrate($0) } } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied.sorted() == [1, 2])
            let count = try await pool.run { try $0.query("SELECT count(*) FROM demo.t")[0].get(0, as: Int64.self) }
            #expect(count == 1)
        }
    }

    @Test func aFailedMigrationLeavesTheOldSchemaAndAnEditedOneIsRefused() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            let first = Migration(version: 1, name: "init", sql: "CREATE TABLE demo.t (a int4);")
            let broken = Migration(version: 2, name: "broken", sql: "CREATE TABLE demo.u (a int4); SELECT 1 / 0;")
            try Migrator(schema: "demo", migrations: [first]).migrate(connection)
            #expect(throws: PostgresError.self) { try Migrator(schema: "demo", migrations: [first, broken]).migrate(connection) }
            #expect(try connection.query("SELECT to_regclass('demo.u') IS NULL")[0].get(0, as: Bool.self))
            let edited = Migration(version: 1, name: "init", sql: "CREATE TABLE demo.t (a int8);")
            #expect(throws: MigrationError.self) { try Migrator(schema: "demo", migrations: [edited]).migrate(connection) }
            let second = Migration(version: 2, name: "second", sql: "SELECT 1;")
            #expect(try Migrator(schema: "demo", migrations: [first, second]).migrate(connection) == [2])
            #expect(throws: MigrationError.self) { try Migrator(schema: "demo", migrations: [first]).migrate(connection) }
        }
    }
}
