import AccessTokens
import Crypto
import Domain
import Foundation
import HTTPServer
import Logging
import Metrics
import TestSupport
import Testing

@testable import HTTPKit
@testable import ServiceKit

/// A service's HTTP listener as it runs, with access control on, and a twin of it whose handlers are replaced. The rest of the service is
/// built and not started: who may not call it never gets that far.
struct GuardedService {
    static let now: Int64 = 1_767_225_600

    let name: String
    let keys: MatrixKeys
    let routes: [Route]
    /// Of the service's own listener.
    let port: Int
    /// Of the twin: the same routes, each answering 204.
    let twinPort: Int
    private let metrics: MetricsRegistry

    /// Opens both listeners while `body` talks to them.
    static func with(_ blueprint: ServiceBlueprint, _ values: [String: String], _ body: (GuardedService) async throws -> Void) async throws
    {
        try await withTemporaryFolder { folder in
            let keys = try MatrixKeys()
            let file = folder.appendingPathComponent("jwks.json")
            try Data(try keys.set.json()).write(to: file)
            let config = try ConfigReader(
                blueprint.table, values: ["auth.jwks": file.path, "http.port": "0"].merging(values) { mine, _ in mine })
            let context = ServiceContext(
                name: blueprint.name, logger: Logger(label: "test", sink: .recording(into: LogRecord())),
                now: { Timestamp(microseconds: GuardedService.now * 1_000_000) })
            let parts = try blueprint.build(config, context)
            let probe = ReadinessProbe(parts.readiness, shutdown: ShutdownSignal())
            let listener = try HTTPListener(blueprint, config, context, parts, probe)
            try listener.open()
            let routes = HTTPListener.routes(blueprint, parts, context.metrics, probe).routes
            let router = try Router(
                RouteCollection(routes.map(\.answeringAtOnce)), access: try AccessKeys.control(config, context), logger: context.logger)
            let twin = HTTPServer(configuration: HTTPServerConfiguration(), logger: context.logger) { await router.respond(to: $0) }
            try twin.start()
            let guarded = GuardedService(
                name: blueprint.name, keys: keys, routes: routes, port: listener.port, twinPort: twin.port, metrics: context.metrics)
            do { try await body(guarded) } catch { Issue.record(error, "\(blueprint.name)") }
            await twin.stop(gracePeriod: .zero)
            await listener.close()
        }
    }

    /// Refused requests, all reasons together.
    func refusals() -> Int {
        var bytes: [UInt8] = []
        metrics.renderPrometheus(into: &bytes)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("iot_http_denied_total{") }
            .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    }
}

extension Route {
    fileprivate var answeringAtOnce: Route {
        Route(method, path, summary: summary, access: access, parameters: parameters, requestBody: requestBody, responses: responses) { _ in
            HTTPResponse(status: 204)
        }
    }

    /// What is sent by somebody, byte by byte; every placeholder is `mine`.
    func request(_ method: HTTPMethod, as role: Role) -> String {
        let path = segments.map { segment in
            switch segment {
            case .literal(let text): "/\(text)"
            case .parameter: "/mine"
            case .action(_, let word): "/mine:\(word)"
            }
        }.joined()
        let fields = role.headers.map { "\($0): \($1)\r\n" }.joined()
        return "\(method) \(path)\(role.query) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(fields)\r\n"
    }
}
