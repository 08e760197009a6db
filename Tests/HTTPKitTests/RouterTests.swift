import Foundation
import HTTPKit
import HTTPServer
import Logging
import Metrics
import Synchronization
import Testing

/// A small service's routes, as a service would declare them.
enum Sample {
    static let device = Parameter.string("id", in: .path, maxLength: 32, help: "Device.")
    static let metric = Parameter.string("metric", in: .path, help: "Metric.")
    static let limit = Parameter.integer("limit", range: 1...100, help: "Rows.").defaulting(to: 10)
    static let format = Parameter.choice("format", of: ["json", "csv"], help: "Form of the answer.").defaulting(to: "json")
    static let since = Parameter.number("since", range: 0...1e12, help: "Start.").optional
    static let raw = Parameter.boolean("raw", help: "As stored.").defaulting(to: false)

    struct Command: Codable, Sendable {
        var name: String
        var arguments: [Int]
    }

    struct Surprise: Error {}

    static let routes: RouteCollection = [
        Route(
            .get, "/v1/devices/{id}/latest", summary: "Newest values", access: .open, parameters: [device],
            responses: [ResponseSpecification(schema: .object([.init("id", .string)]), help: "The values.")], errors: [.notFound]
        ) { context in
            let id = try context.value(device)
            if id == "unknown" { throw APIError(.notFound, "there is no device '\(id)'") }
            return .text(id)
        },
        Route(
            .get, "/v1/devices/{id}/series/{metric}", summary: "A series | with a bar", access: .open,
            parameters: [device, metric, limit, format, since, raw],
            responses: [
                ResponseSpecification(help: "Rows."),
                ResponseSpecification(contentType: "text/csv", schema: .string, help: "Rows as text."),
            ]
        ) { context in
            let since = try context.value(since)
            return .text(
                "\(try context.value(device)) \(try context.value(metric)) \(try context.value(limit)) \(try context.value(format)) "
                    + "\(since.map { "\($0)" } ?? "-") \(try context.value(raw))")
        },
        Route(
            .get, "/v1/devices/summary/latest", summary: "A literal beside a placeholder", access: .open,
            responses: [ResponseSpecification(help: "Text.")]
        ) {
            _ in .text("literal")
        },
        Route(
            .post, "/v1/devices/{id}/latest", summary: "Sets", access: .open, parameters: [device],
            requestBody: BodySpecification(schema: .object([.init("name", .string)]), limit: 100, help: "A command."),
            responses: [ResponseSpecification(202, contentType: nil, help: "Taken.")]
        ) { context in
            let command: Command = try await context.json()
            return try .json(command, status: 202)
        },
        Route(.get, "/v1/broken", summary: "Fails", access: .open, responses: [ResponseSpecification(help: "Never.")]) { _ in
            throw Surprise()
        },
        Route(.get, "/v1/away", summary: "Is away", access: .open, responses: [ResponseSpecification(help: "Never.")]) { _ in
            throw APIError(.unavailable, "the store is away", headers: ["Retry-After": "5"])
        },
        .immediate(
            .get, "/healthz", summary: "Alive", access: .open, responses: [ResponseSpecification(help: "Text.")],
            answer: { _ in .text("ok") }),
    ]
}

/// Calls a router without a socket.
struct RouterUnderTest {
    let log = LogRecord()
    let metrics = MetricsRegistry()
    let router: Router

    init(_ routes: RouteCollection = Sample.routes) throws {
        router = try Router(
            routes, access: .off(logger: Logger(label: "test", sink: .recording(into: log))),
            logger: Logger(label: "test", level: .info, sink: .recording(into: log)), metrics: metrics)
    }

    func call(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: String = ""
    ) async throws -> (status: Int, text: String, headers: HTTPHeaders) {
        let response = await router.respond(to: try HTTPRequest(method, target, headers: headers, body: Array(body.utf8), id: "req-1"))
        return (response.status, String(decoding: try await response.collectBody(), as: UTF8.self), response.headers)
    }

    /// `code` and `field` of a problem document.
    func problem(_ method: HTTPMethod, _ target: String, body: String = "") async throws -> [String: String] {
        let answer = try await call(method, target, body: body)
        #expect(answer.headers["Content-Type"] == "application/problem+json")
        let object = try JSONSerialization.jsonObject(with: Data(answer.text.utf8)) as? [String: Any] ?? [:]
        #expect(object["status"] as? Int == answer.status)
        #expect(object["requestId"] as? String == "req-1")
        return object.compactMapValues { $0 as? String }.merging(["status": "\(answer.status)"]) { $1 }
    }
}

@Suite struct RouterTests {
    @Test func findsRoutesAndValues() async throws {
        let router = try RouterUnderTest()
        #expect(try await router.call(.get, "/v1/devices/d-1/latest").text == "d-1")
        #expect(try await router.call(.get, "/v1/devices/a%2Fb%20c/latest").text == "a/b c")
        #expect(try await router.call(.get, "/v1/devices/summary/latest").text == "literal")
        #expect(try await router.call(.get, "/v1/devices/summary/series/t").text == "summary t 10 json - false")
        #expect(
            try await router.call(.get, "/v1/devices/d/series/t?limit=100&format=csv&since=1.5&raw=true").text == "d t 100 csv 1.5 true")
        #expect(try await router.call(.head, "/v1/devices/d-1/latest").status == 200)
    }

    @Test(arguments: [
        ("/v1/devices//latest", 404), ("/v1/devices/d/latest/", 404), ("/", 404), ("/v1", 404), ("/v1/devices/d", 404),
        ("/V1/devices/d/latest", 404),
    ])
    func misses(target: String, status: Int) async throws {
        let problem = try await RouterUnderTest().problem(.get, target)
        #expect(problem["status"] == "\(status)" && problem["code"] == "not_found")
    }

    @Test func tellsAllowedMethods() async throws {
        let router = try RouterUnderTest()
        let wrong = try await router.call(.delete, "/v1/devices/d/latest")
        #expect(wrong.status == 405 && wrong.headers["Allow"] == "GET, HEAD, OPTIONS, POST")
        let options = try await router.call(.options, "/v1/devices/d/latest")
        #expect(options.status == 204 && options.headers["Allow"] == "GET, HEAD, OPTIONS, POST")
        #expect(try await router.problem(.post, "/healthz")["code"] == "method_not_allowed")
    }

    @Test(arguments: [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=ten", "limit"), ("limit=", "limit"), ("limit=1&limit=2", "limit"),
        ("format=xml", "format"), ("since=-1", "since"), ("since=nan", "since"), ("raw=maybe", "raw"),
    ])
    func namesTheParameterAtFault(query: String, field: String) async throws {
        let problem = try await RouterUnderTest().problem(.get, "/v1/devices/d/series/t?\(query)")
        #expect(problem["status"] == "400" && problem["code"] == "invalid_parameter" && problem["field"] == field)
    }

    @Test func refusesUnknownParameters() async throws {
        let router = try RouterUnderTest()
        let problem = try await router.problem(.get, "/v1/devices/d/series/t?limt=3")
        #expect(problem["code"] == "unknown_parameter" && problem["field"] == "limt")
        #expect(problem["detail"]?.contains("limit, format, since, raw") == true)
        #expect(try await router.problem(.get, "/healthz?x=1")["code"] == "unknown_parameter")
    }

    @Test func readsJSONBodies() async throws {
        let router = try RouterUnderTest()
        let path = "/v1/devices/d/latest"
        let good = try await router.call(.post, path, body: #"{"name":"a/b","arguments":[1,2]}"#)
        #expect(good.status == 202 && good.text == "{\"arguments\":[1,2],\"name\":\"a/b\"}\n")
        let missing = try await router.problem(.post, path, body: #"{"name":"x"}"#)
        #expect(missing["code"] == "invalid_body" && missing["field"] == "arguments")
        let wrong = try await router.problem(.post, path, body: #"{"name":"x","arguments":[1,"2"]}"#)
        #expect(wrong["field"] == "arguments.[1]")
        #expect(try await router.problem(.post, path, body: "{")["code"] == "invalid_body")
        #expect(try await router.problem(.post, path, body: String(repeating: " ", count: 101))["code"] == "body_too_large")
        let type = try await router.call(.post, path, headers: ["Content-Type": "text/csv"], body: "{}")
        #expect(type.status == 415)
        let charset = try await router.call(
            .post, path, headers: ["Content-Type": "Application/JSON; charset=utf-8"], body: #"{"name":"x","arguments":[]}"#)
        #expect(charset.status == 202)
    }

    @Test func hidesUnknownErrorsAndLogsThem() async throws {
        let router = try RouterUnderTest()
        let problem = try await router.problem(.get, "/v1/broken")
        #expect(problem["status"] == "500" && problem["code"] == "internal_error")
        #expect(problem.values.allSatisfy { !$0.contains("Surprise") })
        let line = try #require(router.log.lines.first { $0.contains("Surprise") })
        #expect(line.contains("\"requestId\":\"req-1\""))
        let away = try await router.call(.get, "/v1/away")
        #expect(away.status == 503 && away.headers["Retry-After"] == "5")
        #expect(try await router.problem(.get, "/v1/devices/unknown/latest")["detail"] == "there is no device 'unknown'")
    }

    @Test func countsByTemplate() async throws {
        let router = try RouterUnderTest()
        for id in 0..<50 { _ = try await router.call(.get, "/v1/devices/d\(id)/latest") }
        _ = try await router.call(.get, "/v1/nowhere/\(UUID())")
        _ = try await router.call(HTTPMethod(rawValue: "BREW"), "/v1/devices/x/latest")
        var bytes: [UInt8] = []
        router.metrics.renderPrometheus(into: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains(#"iot_http_requests_total{method="GET",route="/v1/devices/{id}/latest",status="200"} 50"#))
        #expect(text.contains(#"iot_http_requests_total{method="GET",route="unmatched",status="404"} 1"#))
        #expect(text.contains(#"iot_http_requests_total{method="OTHER",route="/v1/devices/{id}/latest",status="405"} 1"#))
        #expect(text.contains(#"iot_http_request_duration_seconds_count{route="/v1/devices/{id}/latest"} 51"#))
    }

    @Test func immediateRoutesOnly() throws {
        let router = try RouterUnderTest()
        #expect(router.router.respondImmediately(to: try HTTPRequest(.get, "/healthz"))?.status == 200)
        #expect(router.router.respondImmediately(to: try HTTPRequest(.get, "/healthz?x=1"))?.status == 400)
        #expect(router.router.respondImmediately(to: try HTTPRequest(.get, "/v1/devices/d/latest")) == nil)
        #expect(router.router.respondImmediately(to: try HTTPRequest(.get, "/nowhere")) == nil)
    }

    @Test func refusesContradictoryRoutes() {
        func route(_ path: String, _ parameters: [any ParameterDeclaration] = []) -> Route {
            Route(.get, path, summary: "", access: .open, parameters: parameters, responses: []) { _ in .text("") }
        }
        #expect(throws: RouterError.self) { try RouterUnderTest([route("/a"), route("/a")]) }
        #expect(throws: RouterError.self) { try RouterUnderTest([route("/a/{id}")]) }
        #expect(throws: RouterError.self) { try RouterUnderTest([route("/a", [Sample.device])]) }
        #expect(throws: RouterError.self) {
            try RouterUnderTest([route("/a/{id}", [Sample.device]), route("/a/{metric}", [Sample.metric])])
        }
    }

    /// The same router behind a real socket.
    @Test func servesThroughAServer() async throws {
        let router = try RouterUnderTest().router
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(), logger: Logger(label: "test", level: .critical),
            immediate: { router.respondImmediately(to: $0) }, handler: { await router.respond(to: $0) })
        try server.start()
        for (path, expected) in [("/healthz", "ok"), ("/v1/devices/d%201/latest", "d 1")] {
            let url = try #require(URL(string: "http://127.0.0.1:\(server.port)\(path)"))
            #expect(try String(contentsOf: url, encoding: .utf8) == expected)
        }
        await server.stop(gracePeriod: .seconds(1))
    }
}
