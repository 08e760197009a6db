import Domain
import Foundation
import HTTPKit
import HTTPServer
import JSON
import Logging
import Metrics
import PostgresClient
import Synchronization
import TestSupport

@testable import DeviceRegistry

/// The registry's routes over a migrated database; requests go through the router, without a socket.
struct RegistryFixture: Sendable {
    let url: String
    let router: Router
    let pool: PostgresPool
    let database: RegistryDatabase
    /// How often a change was committed.
    let changes: ChangeCount
    let identity: IdentityRoom
    let metrics: MetricsRegistry

    final class ChangeCount: Sendable {
        private let stored = Mutex(0)
        var value: Int { stored.withLock { $0 } }
        func add() { stored.withLock { $0 += 1 } }
    }

    struct Answer {
        let status: Int
        let headers: HTTPHeaders
        let body: String

        /// The body as JSON; null without one.
        var json: JSONValue { (try? JSONReader.parse(body)) ?? .null }
        var code: String? { json["code"]?.stringValue }
        var field: String? { json["field"]?.stringValue }
        var tag: String? { headers["ETag"] }
    }

    /// - Parameter access: nil lets everybody do everything.
    init(
        _ url: String, connections: Int = 4, limits: ImportLimits = ImportLimits(), settings: IdentitySettings = .test,
        access: AccessControl? = nil
    ) throws {
        self.url = url
        try RegistrySchema.migrator.migrate(PostgresConnection(url, PostgresOptions(applicationName: "migrate")))
        pool = PostgresPool(.init(url: url, options: PostgresOptions(applicationName: "registry"), size: connections, maxWaiting: 1_000))
        let changes = ChangeCount()
        self.changes = changes
        let metrics = MetricsRegistry()
        let identity = IdentityRoom(settings, metrics, now: { ServiceClock.now() })
        (self.metrics, self.identity) = (metrics, identity)
        database = RegistryDatabase(
            pool: pool,
            changed: {
                changes.add()
                identity.wake.signal()
            }, traffic: RequestTraffic())
        let logger = Logger(label: "test", level: .critical)
        // `CertificateFixture` has one with an authority.
        let certificates = CertificateDesk(
            database: database, authority: nil, terms: CertificateTerms(validity: 1), now: { ServiceClock.now() })
        router = try Router(
            DeviceRegistryService.routes(database, pool, limits: limits, master: settings.master, now: { ServiceClock.now() })
                + identity.routes(database, certificates, logger),
            access: access ?? .off(logger: logger), logger: logger, metrics: metrics)
    }

    static func with(
        limits: ImportLimits = ImportLimits(), settings: IdentitySettings = .test, access: AccessControl? = nil,
        _ body: (RegistryFixture) async throws -> Void
    ) async throws {
        try await withPostgresDatabase { url, _ in
            let fixture = try RegistryFixture(url, limits: limits, settings: settings, access: access)
            try await body(fixture)
            fixture.pool.close()
        }
    }

    @discardableResult
    func ask(_ method: HTTPMethod, _ target: String, _ body: String? = nil, _ headers: HTTPHeaders = [:]) async throws -> Answer {
        var headers = headers
        if body != nil, headers["Content-Type"] == nil {
            headers["Content-Type"] = method == .patch ? "application/merge-patch+json" : "application/json"
        }
        let request = try HTTPRequest(method, target, headers: headers, body: Array((body ?? "").utf8))
        let response = await router.respond(to: request)
        return Answer(
            status: response.status, headers: response.headers, body: String(decoding: try await response.collectBody(), as: UTF8.self))
    }

    /// Rows of a query as text, columns joined by `|`.
    func rows(_ sql: String) throws -> [String] {
        let connection = try PostgresConnection(url, PostgresOptions(applicationName: "test"))
        return try connection.query(
            "SELECT coalesce((SELECT string_agg(e.value, '|') FROM json_each_text(to_json(t)) e), '') FROM (\(sql)) t"
        ).map { try $0.get(0) }
    }

    /// Everything that is stored, as text: two dumps are equal when nothing was changed.
    func dump() throws -> [String] {
        try ["types", "devices", "presence", "groups", "group_members", "outbox", "audit", "device_totals"].flatMap { table in
            try rows("SELECT '\(table)', to_jsonb(x)::text FROM registry.\(table) x ORDER BY 2")
        }
    }
}

extension IdentitySettings {
    /// A master key of which everything is known.
    static var test: IdentitySettings {
        var settings = IdentitySettings(master: try? MasterKey(hexadecimal: Array(String(repeating: "5a", count: 32).utf8)))
        settings.poll = .milliseconds(20)
        return settings
    }
}

/// The wall clock, as a service has it.
enum ServiceClock {
    static func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) }
}
