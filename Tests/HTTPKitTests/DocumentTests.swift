import Foundation
import HTTPKit
import HTTPServer
import Testing

@Suite struct DocumentTests {
    private func document() throws -> [String: Any] {
        let bytes = OpenAPIDocument(title: "Sample", version: "1.0", summary: "A \"test\"", routes: Sample.routes).render()
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    @Test func isStable() {
        let document = OpenAPIDocument(title: "Sample", version: "1.0", summary: "", routes: Sample.routes)
        #expect(document.render() == document.render())
    }

    /// What OpenAPI 3.1 demands of a document: operations with unique id and responses, placeholders declared, references there.
    @Test func hasTheStructureOfOpenAPI() throws {
        let document = try document()
        #expect(document["openapi"] as? String == "3.1.0")
        let info = try #require(document["info"] as? [String: Any])
        #expect(info["title"] as? String == "Sample" && info["version"] as? String == "1.0")
        let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
        #expect(Set(paths.keys) == Set(Sample.routes.routes.map(\.path)))
        var ids: Set<String> = []
        for (path, operations) in paths {
            for (method, operation) in operations {
                #expect(["get", "post"].contains(method))
                #expect(ids.insert(try #require(operation["operationId"] as? String)).inserted)
                let responses = try #require(operation["responses"] as? [String: [String: Any]])
                #expect(!responses.isEmpty && responses.keys.allSatisfy { Int($0) != nil })
                #expect(responses.values.allSatisfy { $0["description"] is String })
                let parameters = operation["parameters"] as? [[String: Any]] ?? []
                let inPath = parameters.filter { $0["in"] as? String == "path" }
                let placeholders = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
                #expect(Set(inPath.compactMap { $0["name"] as? String }) == Set(placeholders))
                #expect(inPath.allSatisfy { $0["required"] as? Bool == true })
                #expect(parameters.allSatisfy { $0["schema"] is [String: Any] && $0["name"] is String })
            }
        }
        let components = try #require(document["components"] as? [String: [String: Any]])
        #expect(components["schemas"]?["Problem"] != nil)
    }

    @Test func tellsErrorsByStatus() throws {
        let paths = try #require(try document()["paths"] as? [String: [String: [String: Any]]])
        let post = try #require(paths["/v1/devices/{id}/latest"]?["post"]?["responses"] as? [String: [String: Any]])
        #expect(Set(post.keys) == ["202", "400", "408", "413", "415", "500"])
        #expect((post["400"]?["description"] as? String)?.contains("`invalid_body`") == true)
        #expect((post["202"]?["content"]) == nil)
        let series = try #require(paths["/v1/devices/{id}/series/{metric}"]?["get"]?["responses"] as? [String: [String: Any]])
        #expect(Set((series["200"]?["content"] as? [String: Any] ?? [:]).keys) == ["application/json", "text/csv"])
    }

    @Test func servesItself() async throws {
        let document = OpenAPIDocument(title: "Sample", version: "1.0", summary: "", routes: Sample.routes)
        let router = try RouterUnderTest(Sample.routes + RouteCollection([document.route()]))
        let answer = try await router.call(.get, "/openapi.json")
        #expect(answer.status == 200 && answer.text.contains("\"/openapi.json\""))
        // Handed to an outside validator by hand: OPENAPI_OUT=FILE.
        if let path = ProcessInfo.processInfo.environment["OPENAPI_OUT"] {
            try Data(answer.text.utf8).write(to: URL(fileURLWithPath: path))
        }
    }

    @Test func drawsATable() {
        let lines = Sample.routes.markdown.split(separator: "\n")
        #expect(lines.count == 2 + Sample.routes.routes.count)
        #expect(lines.allSatisfy { $0.replacing("\\|", with: "").count { $0 == "|" } == 7 })
        #expect(Sample.routes.markdown.contains("`GET /v1/devices/{id}/series/{metric}` | A series \\| with a bar |"))
        #expect(Sample.routes.markdown.contains("`limit` 1…100, default 10"))
    }
}
