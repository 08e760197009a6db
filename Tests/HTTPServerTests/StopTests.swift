import Foundation
import HTTPServer
import Logging
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct StopTests {
    private func server(_ handler: @escaping HTTPServer.Handler) throws -> HTTPServer {
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(), logger: Logger(label: "test", level: .critical), handler: handler)
        try server.start()
        return server
    }

    /// Every request that a handler has begun is answered whole, and nothing listens afterwards.
    @Test func finishesWhatWasBegunUnderLoad() async throws {
        let begun = Atomic<Int>(0)
        let server = try server { request in
            begun.add(1, ordering: .relaxed)
            try? await Task.sleep(for: .milliseconds(3))
            return .text(String(repeating: "x", count: 10_000))
        }
        let port = server.port
        async let answered = withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    try await onThread {
                        var whole = 0
                        while let client = try? RawClient(port: port) {
                            while client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), let answer = try client.answer() {
                                if answer.status == 200, answer.body.count == 10_000 { whole += 1 }
                            }
                        }
                        return whole
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        try await eventually("the load runs") { begun.load(ordering: .relaxed) > 300 }
        await server.stop(gracePeriod: .seconds(20))
        let whole = try await answered
        let begunInAll = begun.load(ordering: .relaxed)
        #expect(whole == begunInAll)
        #expect(!isListening(port))
    }

    @Test func cutsWhatOutlivesTheGrace() async throws {
        let gate = Gate()
        let cancelled = Atomic<Bool>(false)
        let server = try server { request in
            if request.path == "/stream" {
                return .stream(type: "text/plain") { writer in
                    while true { try await writer.write(Array(repeating: 0x61, count: 100_000)) }
                }
            }
            await withTaskCancellationHandler {
                await gate.wait()
            } onCancel: {
                cancelled.store(true, ordering: .relaxed)
                gate.open()
            }
            return .text("too late")
        }
        let port = server.port
        async let hung = onThread {
            let client = try RawClient(port: port)
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return try client.receiveAll()
        }
        let stalled = Mutex<RawClient?>(nil)
        try await onThread {
            let client = try RawClient(port: port, receiveBuffer: 4_096)
            client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.receive(until: "\r\n\r\n")
            stalled.withLock { $0 = client }
            let uploading = try RawClient(port: port)
            uploading.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npart")
        }
        try await eventually("both are being served") { server.requestCount >= 2 }
        await server.stop(gracePeriod: .milliseconds(50))
        let hungText = try await hung
        #expect(hungText.isEmpty)
        let cancelledNow = cancelled.load(ordering: .relaxed)
        #expect(cancelledNow)
        #expect(server.connectionCount == 0)
        #expect(stalled.withLock { $0 } != nil)
    }

    @Test func endsEventStreamsAtOnce() async throws {
        let gate = Gate()
        let server = try server { _ in
            .serverSentEvents { writer in
                try await writer.send("first")
                await withTaskCancellationHandler {
                    await gate.wait()
                } onCancel: {
                    gate.open()
                }
            }
        }
        let port = server.port
        async let text = onThread {
            let client = try RawClient(port: port)
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.receive(until: "data: first\n\n")
            return String(decoding: try client.receiveAll(), as: UTF8.self)
        }
        try await eventually("the stream runs") { server.requestCount == 1 }
        try await Task.sleep(for: .milliseconds(50))
        await server.stop(gracePeriod: .seconds(20))
        // The last chunk: the client sees a complete answer.
        let seen = try await text
        #expect(seen.hasSuffix("0\r\n\r\n"))
    }

    @Test func stopsTwiceAndWithoutStart() async throws {
        let server = try server { _ in .text("") }
        await server.stop(gracePeriod: .zero)
        await server.stop(gracePeriod: .zero)
        await HTTPServer(configuration: HTTPServerConfiguration(), logger: Logger(label: "test"), handler: { _ in .text("") })
            .stop(gracePeriod: .zero)
        #expect(throws: HTTPServerError.self) { try server.start() }
    }

    /// Start, requests, stop, again and again: descriptors come back.
    @Test func leaksNoDescriptors() async throws {
        func descriptors() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        func cycle() async throws {
            let server = try server { request in
                request.path == "/file" ? .file("/etc/hostname", type: "text/plain") : .text("\(request.body.contentLength ?? -1)")
            }
            let port = server.port
            try await onThread {
                for path in ["/file", "/", "/file"] {
                    let client = try RawClient(port: port)
                    client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                    #expect(try client.answer()?.status == 200)
                }
            }
            await server.stop(gracePeriod: .seconds(1))
        }
        try await cycle()
        let before = try descriptors()
        for _ in 0..<20 { try await cycle() }
        // Other suites open and close sockets meanwhile; twenty leaks of at least two each would stand out.
        #expect(try descriptors() < before + 40)
    }
}
