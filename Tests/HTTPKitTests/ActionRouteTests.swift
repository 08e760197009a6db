import HTTPKit
import HTTPServer
import JSON
import Logging
import Testing

@Suite("Actions and JSON bodies")
struct ActionRouteTests {
    private let router: Router

    init() throws {
        let id = Parameter.string("id", in: .path, maxLength: 128, help: "Device.")
        let answer = [ResponseSpecification(contentType: "text/plain", schema: .string, help: "What was called.")]
        router = try Router(
            [
                Route(.get, "/v1/devices/{id}", summary: "Reads", access: .open, parameters: [id], responses: answer) { context in
                    .text("get \(try context.value(id))")
                },
                Route(.post, "/v1/devices/{id}:purge", summary: "Removes", access: .open, parameters: [id], responses: answer) { context in
                    .text("purge \(try context.value(id))")
                },
                Route(.post, "/v1/devices:import", summary: "Imports", access: .open, responses: answer) { _ in .text("import") },
                Route(
                    .post, "/v1/echo", summary: "Echoes", access: .open, requestBody: BodySpecification(limit: 1_000, help: "Any JSON."),
                    responses: answer
                ) { context in
                    .text(try await context.jsonValue(maximumDepth: 3).text)
                },
            ], access: .off(logger: Logger(label: "test", level: .critical)), logger: Logger(label: "test", level: .critical))
    }

    private func ask(_ method: HTTPMethod, _ path: String, _ body: String = "") async throws -> (Int, String) {
        let response = await router.respond(to: try HTTPRequest(method, path, body: Array(body.utf8)))
        return (response.status, String(decoding: try await response.collectBody(), as: UTF8.self))
    }

    @Test("the value of an action ends at the last colon; a path that ends like one is still an id where the action has no such method")
    func actions() async throws {
        #expect(try await ask(.post, "/v1/devices/pump-7:purge") == (200, "purge pump-7"))
        #expect(try await ask(.post, "/v1/devices/pump-7%3Apurge") == (200, "purge pump-7"))
        #expect(try await ask(.post, "/v1/devices/a:b:purge") == (200, "purge a:b"))
        #expect(try await ask(.post, "/v1/devices/x:purge:purge") == (200, "purge x:purge"))
        #expect(try await ask(.get, "/v1/devices/x:purge") == (200, "get x:purge"))
        #expect(try await ask(.post, "/v1/devices:import") == (200, "import"))
        #expect(try await ask(.post, "/v1/devices/:purge").0 == 405)
        #expect(try await ask(.post, "/v1/devices/x:other").0 == 405)
        #expect(try await ask(.delete, "/v1/devices/x:purge").0 == 405)
    }

    @Test(
        "a JSON body is read strictly",
        arguments: [
            (#"{"a":1"#, "invalid_body", nil), (#"{"a":1,"a":2}"#, "duplicate_member", "a"), (#"[[[1]]]"#, "body_too_deep", nil),
            ("", "invalid_body", nil), ("1 2", "invalid_body", nil),
        ] as [(String, String, String?)])
    func strictBodies(body: String, code: String, field: String?) async throws {
        let (status, text) = try await ask(.post, "/v1/echo", body)
        #expect(status == 400)
        let problem = try JSONReader.parse(text)
        #expect(problem["code"] == .string(code))
        #expect(problem["field"] == field.map { .string($0) })
    }

    @Test func aJSONBodyArrivesAsItWasSent() async throws {
        #expect(try await ask(.post, "/v1/echo", #" {"b":[1,2.0],"a":null} "#) == (200, #"{"b":[1,2.0],"a":null}"#))
    }
}
