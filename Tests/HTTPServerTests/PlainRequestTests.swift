import Foundation
import HTTPServer
import Logging
import Metrics
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct PlainRequestTests {
    @Test func answersCurl() async throws {
        try await withServer { request in
            .text("\(request.method) \(request.path) \(request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&"))\n")
        } _: { server in
            let result = try await curl("-i", "http://127.0.0.1:\(server.port)/a/b%2Fc?x=1&y=%20z&flag&p=a+b")
            #expect(result.output.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(result.output.hasSuffix("GET /a/b%2Fc x=1&y= z&flag=&p=a b\n"))
        }
    }

    @Test func tellsWhereTheRequestComesFrom() async throws {
        try await withServer { request in
            .text("\(request.remoteAddress?.host ?? "-") \(request.isSecure) \(request.headers["x-test"] ?? "-")")
        } _: { server in
            let result = try await curl("-H", "X-Test:   padded  ", "http://127.0.0.1:\(server.port)/")
            #expect(result.output == "127.0.0.1 false padded")
        }
    }

    @Test func readsBodies() async throws {
        try await withServer { request in
            do { return .bytes(try await request.body.collect(upTo: 1 << 20), type: "application/octet-stream") } catch {
                return .text("\(error)", status: 413)
            }
        } _: { server async throws in
            let url = "http://127.0.0.1:\(server.port)/"
            #expect(try await curl("-d", "hello", url).output == "hello")
            #expect(try await curl("-X", "PUT", "-d", "hello", url).output == "hello")
            #expect(try await curl("-H", "Transfer-Encoding: chunked", "-d", "in chunks", url).output == "in chunks")
            #expect(try await curl("-H", "Expect: 100-continue", "-d", "after 100", url).output == "after 100")
            #expect(try await curl("-X", "POST", url).output == "")
        }
    }

    @Test func keepsConnectionsAndServesPipelinedRequests() async throws {
        try await withServer { request in
            let body = (try? await request.body.collect(upTo: 100)) ?? []
            return .text(request.path + String(decoding: body, as: UTF8.self))
        } _: { server in
            let port = server.port
            let bodies = try await onThread {
                let client = try RawClient(port: port)
                client.send(
                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: x\r\n\r\n"
                )
                return try (0..<3).map { _ in String(decoding: try client.answer()?.body ?? [], as: UTF8.self) }
            }
            #expect(bodies == ["/1", "/2abc", "/3"])
        }
    }

    /// The headers of a request may come byte by byte: the strings' places in the buffer stay as the screening wants them.
    @Test func readsDribbledHeaders() async throws {
        try await withServer { request in
            .text("\(request.headers.fields.count)")
        } _: { server in
            let port = server.port
            let answer = try await onThread {
                let client = try RawClient(port: port)
                let filler = (0..<60).map { "X-\($0): \(String(repeating: "v", count: $0 * 5))\r\n" }.joined()
                let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\n\(filler)\r\n".utf8)
                for start in stride(from: 0, to: bytes.count, by: 7) { client.send(bytes[start..<min(start + 7, bytes.count)]) }
                return String(decoding: try client.answer()?.body ?? [], as: UTF8.self)
            }
            #expect(answer == "61")
        }
    }

    @Test func sendsRequestIDBack() async throws {
        try await withServer {
            .text($0.id)
        } _: { server in
            let url = "http://127.0.0.1:\(server.port)/"
            let given = try await curl("-i", "-H", "X-Request-Id: abc-1", url).output
            #expect(given.contains("X-Request-Id: abc-1\r\n") && given.hasSuffix("abc-1"))
            let made = try await curl("-H", "X-Request-Id: with space and ;", url).output
            #expect(made.utf8.count == 16 && made.allSatisfy(\.isHexDigit))
        }
    }

    @Test func headHasLengthAndNoBody() async throws {
        let streamsRun = Atomic<Int>(0)
        try await withServer { request in
            guard request.path == "/stream" else { return .text("twelve bytes") }
            return .stream(type: "text/plain") { _ in streamsRun.add(1, ordering: .relaxed) }
        } _: { server in
            let head = try await curl("--head", "http://127.0.0.1:\(server.port)/").output
            #expect(head.contains("Content-Length: 12\r\n"))
            #expect(head.hasSuffix("\r\n\r\n"))
            #expect(try await curl("--head", "http://127.0.0.1:\(server.port)/stream").status == 0)
            let streamsRunNow = streamsRun.load(ordering: .relaxed)
            #expect(streamsRunNow == 0)
        }
    }

    @Test func immediateHandlerAnswersInPlaceAndMayDecline() async throws {
        try await withServer(immediate: { $0.path == "/now" ? .text("now") : nil }, handler: { _ in .text("later") }) {
            server async throws in
            #expect(try await curl("http://127.0.0.1:\(server.port)/now").output == "now")
            #expect(try await curl("http://127.0.0.1:\(server.port)/else").output == "later")
        }
    }

    @Test func answersBeforeTheBodyIsRead() async throws {
        try await withServer { _ in
            .text("no", status: 401)
        } _: { server in
            let port = server.port
            let answer = try await onThread {
                let client = try RawClient(port: port)
                client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
                return String(decoding: try client.receiveAll(), as: UTF8.self)
            }
            #expect(answer.hasPrefix("HTTP/1.1 401"))
            #expect(answer.contains("Connection: close"))
        }
    }

    @Test func manyRequestsAtOnce() async throws {
        let metrics = MetricsRegistry()
        try await withServer(metrics: metrics) { request in
            await Task.yield()
            return .text(request.path)
        } _: { server in
            let port = server.port
            let good = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        try await onThread {
                            let client = try RawClient(port: port)
                            return try (0..<200).count { index in
                                client.send("GET /\(worker)/\(index) HTTP/1.1\r\nHost: x\r\n\r\n")
                                return try client.answer().map { String(decoding: $0.body, as: UTF8.self) } == "/\(worker)/\(index)"
                            }
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(good == 3_200)
        }
    }

    @Test func refusesToStartOnATakenPortOrBadHost() async throws {
        try await withServer(handler: { _ in .text("") }) { server in
            let second = HTTPServer(
                configuration: HTTPServerConfiguration(port: server.port), logger: Logger(label: "test"), handler: { _ in .text("") })
            let error = #expect(throws: HTTPServerError.self) { try second.start() }
            #expect(error?.reason.contains("\(server.port)") == true)
            let third = HTTPServer(configuration: HTTPServerConfiguration(host: "nowhere.example"), logger: Logger(label: "test")) { _ in
                .text("")
            }
            #expect(throws: HTTPServerError.self) { try third.start() }
        }
    }
}
