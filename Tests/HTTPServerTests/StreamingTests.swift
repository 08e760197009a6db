import Foundation
import HTTPServer
import Logging
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct StreamingTests {
    private static let megabyte = [UInt8](repeating: 0x61, count: 1 << 20)

    @Test func streamsChunksToCurl() async throws {
        try await withServer { _ in
            .stream(type: "text/plain") { writer in for number in 0..<1_000 { try await writer.write("line \(number)\n") } }
        } _: { server in
            let output = try await curl("http://127.0.0.1:\(server.port)/").output
            #expect(output == (0..<1_000).map { "line \($0)\n" }.joined())
        }
    }

    @Test func streamsWithLength() async throws {
        try await withServer { request in
            .stream(type: "text/plain", contentLength: 10) { writer in
                try await writer.write("01234")
                if request.path == "/short" { return }
                try await writer.write(request.path == "/long" ? "567890" : "56789")
            }
        } _: { server in
            let url = "http://127.0.0.1:\(server.port)"
            let exact = try await curl("-i", url + "/exact")
            #expect(exact.output.contains("Content-Length: 10\r\n") && exact.output.hasSuffix("0123456789"))
            // 18: "partial file", curl's word for a body that ends too early.
            #expect(try await curl(url + "/short").status == 18)
            #expect(try await curl(url + "/long").status == 18)
        }
    }

    @Test func errorInAStreamCutsTheAnswer() async throws {
        struct Broken: Error {}
        try await withServer { _ in
            .stream(type: "text/plain") { writer in
                try await writer.write("half")
                throw Broken()
            }
        } _: { server in
            let result = try await curl("http://127.0.0.1:\(server.port)/")
            #expect(result.status != 0)
        }
    }

    /// A client that does not read stops the writer: what the server holds is bounded.
    @Test func slowReaderHoldsTheWriter() async throws {
        let written = Atomic<Int>(0)
        let total = 64
        try await withServer { _ in
            .stream(type: "application/octet-stream", contentLength: total << 20) { writer in
                for _ in 0..<total {
                    try await writer.write(Self.megabyte)
                    written.add(1, ordering: .relaxed)
                }
            }
        } _: { server in
            let port = server.port
            let client = Mutex<RawClient?>(nil)
            try await onThread {
                let reader = try RawClient(port: port, receiveBuffer: 65_536)
                reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try reader.receive(until: "\r\n\r\n")
                client.withLock { $0 = reader }
            }
            // Everything between writer and reader is full once nothing has moved for a while; the count is the assertion.
            var last = -1
            try await eventually("the writer stands still") {
                let now = written.load(ordering: .relaxed)
                defer { last = now }
                try await Task.sleep(for: .milliseconds(100))
                return now == last
            }
            let writtenNow = written.load(ordering: .relaxed)
            #expect(writtenNow < 16)
            let received = try await onThread { try client.withLock { try $0?.receive(count: total << 20) } ?? 0 }
            #expect(received == total << 20)
        }
        let writtenNow = written.load(ordering: .relaxed)
        #expect(writtenNow == total)
    }

    /// A handler that does not read stops the client.
    @Test func slowHandlerHoldsTheSender() async throws {
        let gate = Gate()
        var limits = HTTPServerLimits()
        limits.bodyBytes = 1 << 30
        let total = 64 << 20
        try await withServer(limits: limits) { request in
            var count = 0
            do {
                for try await chunk in request.body {
                    if count == 0 { await gate.wait() }
                    count += chunk.count
                }
            } catch { return .text("\(error)", status: 400) }
            return .text("\(count)")
        } _: { server in
            let port = server.port
            let answer = try await onThread {
                let client = try RawClient(port: port)
                client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(total)\r\n\r\n")
                var sent = 0
                var idle = 0
                while idle < 50, sent < total {
                    let count = client.sendAvailable(Array(Self.megabyte.prefix(total - sent)))
                    sent += count
                    idle = count == 0 ? idle + 1 : 0
                    if count == 0 { usleep(5_000) }
                }
                #expect(sent < total / 2)
                gate.open()
                while sent < total {
                    let part = Self.megabyte.prefix(total - sent)
                    guard client.send(part) else { break }
                    sent += part.count
                }
                return String(decoding: try client.answer()?.body ?? [], as: UTF8.self)
            }
            #expect(answer == "\(total)")
        }
    }

    @Test func writerLearnsThatTheClientLeft() async throws {
        let outcome = Mutex<String?>(nil)
        try await withServer { _ in
            .stream(type: "text/plain") { writer in
                do { while true { try await writer.write(Self.megabyte) } } catch {
                    outcome.withLock { $0 = "\(error)" }
                    throw error
                }
            }
        } _: { server in
            let port = server.port
            try await onThread {
                let client = try RawClient(port: port)
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try client.receive(until: "\r\n\r\n")
            }
            try await eventually("the writer is told") { outcome.withLock { $0 != nil } }
            try await eventually("the connection is gone") { server.connectionCount == 0 }
        }
    }

    @Test func readerLearnsThatTheClientLeft() async throws {
        let outcome = Mutex<HTTPBodyError?>(nil)
        try await withServer { request in
            do { _ = try await request.body.collect(upTo: 1_000) } catch { outcome.withLock { $0 = error as? HTTPBodyError } }
            return .text("")
        } _: { server in
            let port = server.port
            try await onThread {
                let client = try RawClient(port: port)
                client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
            }
            try await eventually("the reader is told") { outcome.withLock { $0 == .clientLeft } }
        }
    }

    /// The connection is suspended while the handler works and nothing is written: only the socket itself tells.
    @Test(arguments: ["handler", "stream", "events", "handler with pipelined bytes", "handler after a body"])
    func workForAClientThatLeftIsCancelled(_ kind: String) async throws {
        let cancelled = Gate()
        let log = LogRecord()
        @Sendable func waitForCancellation() async {
            await untilCancelled()
            cancelled.open()
        }
        try await withServer(log: log) { request in
            if request.method == .post { _ = try? await request.body.collect(upTo: 100) }
            switch kind {
            case "stream": return .stream(type: "text/plain") { _ in await waitForCancellation() }
            case "events": return .serverSentEvents { _ in await waitForCancellation() }
            default: await waitForCancellation()
            }
            return .text("too late")
        } _: { server in
            let port = server.port
            try await onThread {
                let client = try RawClient(port: port)
                client.send(
                    kind == "handler after a body"
                        ? "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                if kind == "stream" || kind == "events" { _ = try client.receive(until: "\r\n\r\n") }
                if kind == "handler with pipelined bytes" { client.send("GET /next HTTP/1.1\r\n") }
                while server.requestCount == 0 { usleep(1_000) }
            }
            await cancelled.wait()
            try await eventually("the connection is gone") { server.connectionCount == 0 }
        }
        #expect(!log.lines.contains { $0.contains("broke off") }, "a client that leaves is no error of ours")
    }

    /// A client that has shut down its sending half gets what its handler answers in spite of the cancellation.
    @Test func aHalfClosedClientStillGetsAnAnswer() async throws {
        try await withServer { _ in
            await untilCancelled()
            return .text("here")
        } _: { server in
            let port = server.port
            let answer = try await onThread {
                let client = try RawClient(port: port)
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                client.finishSending()
                return try client.answer()
            }
            #expect(answer?.body == Array("here".utf8))
        }
    }

    @Test func answersInTheMiddleOfABody() async throws {
        try await withServer { request in
            var iterator = request.body.makeAsyncIterator()
            let first = try? await iterator.next()
            return .text("seen \(first?.isEmpty == false)", status: 422)
        } _: { server in
            let result = try await curl(
                "-w", "%{http_code}", "--data-binary", String(repeating: "x", count: 90_000), "http://127.0.0.1:\(server.port)/")
            #expect(result.output == "seen true422")
        }
    }
}

private func untilCancelled() async {
    let (nothing, continuation) = AsyncStream<Never>.makeStream()
    for await _ in nothing {}
    withExtendedLifetime(continuation) { #expect(Task.isCancelled) }
}

/// Opened once; waits until then.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func wait() async {
        await withCheckedContinuation { waiter in
            state.withLock { state in
                if state.isOpen { waiter.resume() } else { state.waiters.append(waiter) }
            }
        }
    }

    func open() {
        state.withLock { state in
            state.isOpen = true
            for waiter in state.waiters { waiter.resume() }
            state.waiters = []
        }
    }
}

extension RawClient {
    /// Reads until so many bytes of body have come.
    func receive(count: Int) throws -> Int {
        var total = try receivePending()
        while total < count, let bytes = try receive() { total += bytes.count }
        return total
    }
}
