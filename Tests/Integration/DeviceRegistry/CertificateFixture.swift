import Crypto
import Domain
import Files
import Foundation
import HTTPKit
import HTTPServer
import JSON
import Logging
import Metrics
import PostgresClient
import ServiceKit
import TestSupport
import Testing

@testable import DeviceRegistry

/// A registry with an authority, over a database of its own, and the files that a broker reads.
struct CertificateFixture {
    let registry: RegistryFixture
    let router: Router
    let authority: CertificateAuthority
    let board = RevocationListBoard()
    let metrics = MetricsRegistry()
    let folder: URL
    let certificateMetrics: CertificateMetrics
    let logger = Logger(label: "test", level: .critical)

    init(_ url: String, _ folder: URL) throws {
        registry = try RegistryFixture(url)
        self.folder = folder
        let now = Int64(Date().timeIntervalSince1970)
        let key = try PrivateKey(.p256)
        authority = try CertificateAuthority(
            subject: DistinguishedName(commonName: "Test devices"), validity: (now - 3_600)...(now + 86_400 * 365), key: key)
        try DurableFile.replace(folder.appendingPathComponent("ca.pem").path, try authority.certificate.pem())
        let desk = CertificateDesk(
            database: registry.database, authority: authority, terms: CertificateTerms(validity: 86_400), now: { ServiceClock.now() })

        router = try Router(
            DeviceRegistryService.routes(registry.database, registry.pool, now: { ServiceClock.now() })
                + registry.identity.routes(registry.database, desk, logger) + CertificatesController(desk: desk, board: board).routes,
            access: .off(logger: logger), logger: logger)
        certificateMetrics = CertificateMetrics(
            metrics, board: board, denials: BrokerDenials(file: folder.appendingPathComponent("denied").path), now: { ServiceClock.now() })
    }

    /// What keeps the list, and ends connections at the broker whose inner listener has that port.
    func publisher(brokerPort: Int? = nil) -> RevocationPublisher {
        let status = RegistryStatus()
        status.migrated()
        return RevocationPublisher(
            authority: authority,
            settings: RevocationSettings(
                validity: 86_400, warning: 7_200, file: folder.appendingPathComponent("crl.pem").path,
                brokerProcess: folder.appendingPathComponent("broker.pid").path),
            board: board, sessions: brokerPort.map { BrokerSessions(host: "127.0.0.1", port: $0) }, metrics: certificateMetrics,
            postgresURL: registry.url, status: status, now: { ServiceClock.now() }, logger: logger)
    }

    /// Runs the publisher around `body`, which begins when the first list is there.
    func publishing(brokerPort: Int? = nil, _ body: () async throws -> Void) async throws {
        let shutdown = ShutdownSignal()
        let running = Task {
            try await ServiceGroup([publisher(brokerPort: brokerPort)], grace: .seconds(5), logger: logger).run(until: shutdown)
        }
        do {
            try await eventually("the first list is there") { board.list != nil }
            try await body()
        } catch {
            shutdown.request()
            try? await running.value
            throw error
        }
        shutdown.request()
        try await running.value
    }

    func metric(_ name: String) -> Double {
        var bytes: [UInt8] = []
        metrics.renderPrometheus(into: &bytes)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(name + " ") }
            .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) } ?? .nan
    }

    static func with(_ body: (CertificateFixture) async throws -> Void) async throws {
        try await withPostgresDatabase { url, _ in
            try await withTemporaryFolder("certificates") { folder in
                let fixture = try CertificateFixture(url, folder)
                defer { fixture.registry.pool.close() }
                try await body(fixture)
            }
        }
    }

    func ask(_ method: HTTPMethod, _ target: String, _ body: String? = nil, type: String = "application/json") async throws
        -> RegistryFixture.Answer
    {
        let headers: HTTPHeaders = body == nil ? [:] : ["Content-Type": type]
        let response = await router.respond(to: try HTTPRequest(method, target, headers: headers, body: Array((body ?? "").utf8)))
        return RegistryFixture.Answer(
            status: response.status, headers: response.headers,
            body: String(decoding: try await response.collectBody(), as: UTF8.self))
    }

    /// Registers the device, makes a key and asks for a certificate.
    /// - Returns: the answer; key and certificate lie in the folder under the given name.
    func enrol(_ device: String, as name: String? = nil) async throws -> RegistryFixture.Answer {
        let name = name ?? device
        _ = try await ask(.put, "/v1/devices/\(device)", "{\"type\":\"sensor\"}")
        let answer = try await ask(
            .post, "/v1/devices/\(device)/certificates", try await request(name), type: "application/x-pem-file")
        if let pem = answer.json["certificate"]?.stringValue {
            try DurableFile.replace(folder.appendingPathComponent("\(name).pem").path, Array(pem.utf8))
        }
        return answer
    }

    /// A request as `openssl req` makes it, with a key in the file of that name.
    func request(_ name: String, subject: String = "/CN=administrator", key: [String] = ["-newkey", "ed25519"]) async throws -> String {
        let made = try await run(
            "/usr/bin/openssl", ["req", "-new", "-nodes", "-keyout", "\(name).key", "-out", "\(name).csr", "-subj", subject] + key)
        try #require(made.code == 0, "\(made.output)")
        return try String(contentsOf: folder.appendingPathComponent("\(name).csr"), encoding: .utf8)
    }

    func run(_ program: String, _ arguments: [String]) async throws -> (code: Int32, output: String) {
        let child = try ChildProcess("command", "/usr/bin/env", ["-C", folder.path, program] + arguments, folder: folder)
        try await eventually("\(program) ends", within: 30) { !child.isRunning }
        return (try await child.stop(), child.output())
    }
}
