import Foundation
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct LimitTests {
    @Test func refusesAnnouncedBodyBeforeReadingIt() async throws {
        let handled = Atomic<Int>(0)
        var limits = HTTPServerLimits()
        limits.bodyBytes = 1_000
        try await withServer(limits: limits) { _ in
            handled.add(1, ordering: .relaxed)
            return .text("")
        } _: { server in
            let port = server.port
            let text = try await onThread {
                let client = try RawClient(port: port)
                client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
                return String(decoding: try client.receiveAll(), as: UTF8.self)
            }
            #expect(text.hasPrefix("HTTP/1.1 413 ") && text.contains("\"code\":\"body_too_large\""))
        }
        let handledNow = handled.load(ordering: .relaxed)
        #expect(handledNow == 0)
    }

    @Test(arguments: [
        ("GET /\(String(repeating: "y", count: 17_000)) HTTP/1.1\r\nHost: x\r\n\r\n", 414, "target_too_long"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "y", count: 17_000))\r\n\r\n", 431, "headers_too_large"),
    ])
    func refusesLongHeads(request: String, status: Int, code: String) async throws {
        let text = try await answer(to: request)
        #expect(text.hasPrefix("HTTP/1.1 \(status) ") && text.contains("\"code\":\"\(code)\""), "\(text.prefix(300))")
    }

    /// libmicrohttpd answers these before any code of ours runs: right status, its own page, and the connection ends.
    @Test(arguments: [
        ("GET /\(String(repeating: "y", count: 70_000)) HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "y", count: 70_000))\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
    ])
    func theLibraryRefusesByItself(request: String, status: Int) async throws {
        let text = try await answer(to: request)
        #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(text.prefix(300))")
    }

    private func answer(to request: String) async throws -> String {
        let answer = Mutex("")
        try await withServer(handler: { _ in .text("served") }) { server in
            let port = server.port
            let text = try await onThread {
                let client = try RawClient(port: port)
                client.send(request)
                return String(decoding: try client.receiveAll(), as: UTF8.self)
            }
            answer.withLock { $0 = text }
        }
        return answer.withLock { $0 }
    }

    @Test func stopsChunkedBodyAtTheLimit() async throws {
        let outcome = Mutex<HTTPBodyError?>(nil)
        var limits = HTTPServerLimits()
        limits.bodyBytes = 100_000
        try await withServer(limits: limits) { request in
            do {
                _ = try await request.body.collect(upTo: 1 << 20)
                return .text("all")
            } catch {
                outcome.withLock { $0 = error as? HTTPBodyError }
                return .text("\(error)", status: 413)
            }
        } _: { server in
            let result = try await curl(
                "-o", "/dev/null", "-w", "%{http_code}", "-H", "Transfer-Encoding: chunked", "--data-binary",
                String(repeating: "x", count: 120_000), "http://127.0.0.1:\(server.port)/")
            #expect(result.output == "413")
        }
        #expect(outcome.withLock { $0 } == .tooLarge(limit: 100_000))
    }

    /// A client that sends chunks for ever is cut, with or without a handler that reads.
    @Test(arguments: ["/read", "/ignore"])
    func cutsEndlessBody(path: String) async throws {
        var limits = HTTPServerLimits()
        limits.bodyBytes = 100_000
        try await withServer(limits: limits) { request in
            if request.path == "/read" { _ = try? await request.body.collect(upTo: 1 << 30) }
            return .text("", status: 413)
        } _: { server in
            let port = server.port
            let sent = try await onThread {
                let client = try RawClient(port: port)
                client.send("POST \(path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                let chunk = Array("10000\r\n\(String(repeating: "x", count: 65_536))\r\n".utf8)
                var sent = 0
                while sent < 1 << 30, client.send(chunk) { sent += chunk.count }
                return sent
            }
            #expect(sent < 64 << 20)
        }
    }

    @Test func cutsSlowHeaders() async throws {
        let metrics = MetricsRegistry()
        try await withServer(metrics: metrics, handler: { _ in .text("") }) { server in
            let port = server.port
            let (early, late) = try await onThread {
                let client = try RawClient(port: port)
                client.send("GET / HTTP/1.1\r\nHost: ")
                try waitForConnection(server)
                server.sweep(now: .now + .seconds(9))
                let early = client.send("x")
                server.sweep(now: .now + .seconds(11))
                return (early, try client.receiveAll())
            }
            #expect(early && late.isEmpty)
            var text: [UInt8] = []
            metrics.renderPrometheus(into: &text)
            #expect(String(decoding: text, as: UTF8.self).contains("iot_http_refused_total{reason=\"overdue\"} 1"))
        }
    }

    @Test func cutsSilentConnections() async throws {
        try await withServer(handler: { _ in .text("") }) { server in
            let port = server.port
            try await onThread {
                let silent = try RawClient(port: port)
                let idle = try RawClient(port: port)
                idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try idle.answer()?.status == 200)
                while server.connectionCount < 2 || server.requestCount > 0 { usleep(1_000) }
                server.sweep(now: .now + .seconds(11))
                #expect(try silent.receiveAll().isEmpty)
                idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try idle.answer()?.status == 200)
                while server.requestCount > 0 { usleep(1_000) }
                server.sweep(now: .now + .seconds(61))
                #expect(try idle.receiveAll().isEmpty)
            }
        }
    }

    @Test func answers503WhenTheHandlerIsTooSlow() async throws {
        let cancelled = Atomic<Bool>(false)
        let gate = Gate()
        try await withServer { _ in
            await withTaskCancellationHandler {
                await gate.wait()
            } onCancel: {
                cancelled.store(true, ordering: .relaxed)
                gate.open()
            }
            return .text("too late")
        } _: { server in
            let port = server.port
            let answer = try await onThread {
                let client = try RawClient(port: port)
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                while server.requestCount == 0 { usleep(1_000) }
                server.sweep(now: .now + .seconds(31))
                return try client.answer().map { ($0.status, String(decoding: $0.body, as: UTF8.self)) }
            }
            #expect(answer?.0 == 503)
            #expect(answer?.1.contains("\"code\":\"deadline_exceeded\"") == true)
            try await eventually("the handler is cancelled") { cancelled.load(ordering: .relaxed) }
        }
    }

    @Test func cutsSlowBody() async throws {
        let outcome = Mutex<HTTPBodyError?>(nil)
        let reading = Atomic<Bool>(false)
        try await withServer { request in
            do {
                for try await _ in request.body { reading.store(true, ordering: .relaxed) }
            } catch { outcome.withLock { $0 = error as? HTTPBodyError } }
            return .text("")
        } _: { server in
            let port = server.port
            let received = try await onThread {
                let client = try RawClient(port: port)
                client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow")
                while !reading.load(ordering: .relaxed) { usleep(1_000) }
                server.sweep(now: .now + .seconds(31))
                return try client.receiveAll()
            }
            #expect(received.isEmpty)
            try await eventually("the handler is told") { outcome.withLock { $0 == .deadline } }
        }
    }

    @Test func connectionsOverTheLimitWait() async throws {
        var limits = HTTPServerLimits()
        limits.connections = 8
        try await withServer(limits: limits, handler: { _ in .text("") }) { server in
            let port = server.port
            try await onThread {
                var clients = try (0..<8).map { _ in
                    let client = try RawClient(port: port)
                    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    #expect(try client.answer()?.status == 200)
                    return client
                }
                let ninth = try RawClient(port: port)
                ninth.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(server.connectionCount == 8)
                clients.removeFirst()
                #expect(try ninth.answer()?.status == 200)
                #expect(server.connectionCount <= 8)
            }
        }
    }

    @Test func oneAddressCannotTakeAllConnections() async throws {
        var limits = HTTPServerLimits()
        limits.connectionsPerAddress = 4
        try await withServer(limits: limits, handler: { _ in .text("") }) { server in
            let port = server.port
            try await onThread {
                let clients = try (0..<4).map { _ in
                    let client = try RawClient(port: port)
                    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    #expect(try client.answer()?.status == 200)
                    return client
                }
                let fifth = try RawClient(port: port)
                #expect(try fifth.receiveAll().isEmpty)
                clients[0].send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try clients[0].answer()?.status == 200)
            }
        }
    }
}

/// Waits until the server has seen a connection and its first bytes.
private func waitForConnection(_ server: HTTPServer) throws {
    while server.connectionCount == 0 { usleep(1_000) }
}
