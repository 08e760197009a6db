import Domain
import Foundation
import HTTPKit
import HTTPServer
import Logging
import PostgresClient
import TestSupport
import Testing

@testable import TimeseriesWriter

@Suite("timeseries-writer: clients that hang up", .timeLimit(.minutes(2)))
struct QueryCancelTests {
    /// A lock holds the query up, so that it runs for as long as nobody cancels it: its own timeout is an hour.
    @Test(arguments: ["GET", "POST"]) func theStatementOfAClientThatLeftIsCancelled(_ method: String) async throws {
        try await withPostgresDatabase { url, _ in
            let points = [Point(offset: 0, value: .int(1))]
            try SinkFixture.write(try SinkFixture(url).sink(), [(points, nil)], base: nil, next: 1)
            let options = PostgresOptions(applicationName: "hang-up", statementTimeout: .seconds(3_600))
            let fixture = try QueryFixture(url, options: options)
            let server = HTTPServer(configuration: HTTPServerConfiguration(), logger: Logger(label: "test", level: .critical)) {
                await fixture.router.respond(to: $0)
            }
            try server.start()
            let locker = try PostgresConnection(url, PostgresOptions(applicationName: "locker", idleInTransactionTimeout: .zero))
            try locker.execute("BEGIN; LOCK TABLE timeseries.samples IN ACCESS EXCLUSIVE MODE")
            let client = try Self.startClient(method, server.port)
            try await eventually("the query waits for the lock") { try Self.active(url) == 1 }
            client.terminate()
            client.waitUntilExit()
            try await eventually("nothing runs for the client any more") { try Self.active(url) == 0 }
            try await eventually("its connection is gone") { server.connectionCount == 0 }
            try locker.execute("ROLLBACK")
            let after = try await fixture.get("/v1/devices/d1/latest")
            #expect(after.response.status == 200, "the pool goes on")
            await server.stop(gracePeriod: .seconds(1))
        }
    }

    private static func startClient(_ method: String, _ port: Int) throws -> Process {
        let client = Process()
        client.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        let base = "http://127.0.0.1:\(port)/v1"
        client.arguments =
            ["-s", "--noproxy", "*"]
            + (method == "GET"
                ? ["\(base)/devices/d1/series/t?from=2026-11-20&to=2026-11-22&every=1h&agg=avg"]
                : [
                    "-H", "Content-Type: application/json", "-d",
                    #"{"devices":"d*","metrics":"t","from":"2026-11-20","to":"2026-11-22","agg":"p90"}"#, "\(base)/query",
                ])
        client.standardOutput = FileHandle.nullDevice
        try client.run()
        return client
    }

    /// Statements of the query pool that the server is working on.
    private static func active(_ url: String) throws -> Int {
        let connection = try PostgresConnection(url, PostgresOptions(applicationName: "watcher"))
        let rows = try connection.query(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'hang-up' AND state = 'active'
            """)
        return try rows.first?.get(0, as: Int.self) ?? 0
    }
}
