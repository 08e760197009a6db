import Foundation
import HTTPServer
import Logging
import Testing

@Suite struct PlainRequestTests {
    @Test func answersCurl() async throws {
        try await withServer { request in
            .text("\(request.method) \(request.path) \(request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&"))\n")
        } _: { server in
            let result = try await curl("-i", "http://127.0.0.1:\(server.port)/a/b?x=1&y=%20z")
            #expect(result.output.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(result.output.hasSuffix("GET /a/b x=1&y= z\n"))
            #expect(result.output.contains("X-Request-Id: "))
        }
    }

    @Test func readsBody() async throws {
        try await withServer { request in
            do {
                let body = try await request.body.collect(upTo: 1 << 20)
                return .bytes(body, type: "application/octet-stream")
            } catch { return .text("\(error)", status: 413) }
        } _: { server in
            let result = try await curl("-d", "hello", "http://127.0.0.1:\(server.port)/")
            #expect(result.output == "hello")
        }
    }
}
