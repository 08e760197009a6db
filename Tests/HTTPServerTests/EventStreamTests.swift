import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct EventStreamTests {
    @Test func manyClientsGetEveryEvent() async throws {
        let clients = 100
        let events = 20
        let started = Atomic<Int>(0)
        let gate = Gate()
        try await withServer { _ in
            .serverSentEvents { writer in
                started.add(1, ordering: .relaxed)
                await gate.wait()
                for number in 0..<events { try await writer.send("event \(number)", event: "tick", id: "\(number)") }
            }
        } _: { server in
            let port = server.port
            async let complete = withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<clients {
                    group.addTask {
                        try await onThread {
                            let client = try RawClient(port: port)
                            client.send("GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n")
                            let text = String(decoding: try client.receiveAll(), as: UTF8.self)
                            return (0..<events).allSatisfy { text.contains("id: \($0)\nevent: tick\ndata: event \($0)\n\n") }
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            try await eventually("all streams run") { started.load(ordering: .relaxed) == clients }
            gate.open()
            let completeInAll = try await complete
            #expect(completeInAll == clients)
        }
    }

    /// The sweep's clock is a parameter: a quarter of a minute passes at once.
    @Test func quietStreamGetsCommentsAndADeadClientIsFound() async throws {
        let gate = Gate()
        let ended = Atomic<Bool>(false)
        try await withServer { _ in
            .serverSentEvents { writer in
                await withTaskCancellationHandler {
                    await gate.wait()
                } onCancel: {
                    ended.store(true, ordering: .relaxed)
                    gate.open()
                }
            }
        } _: { server in
            let port = server.port
            try await onThread {
                let client = try RawClient(port: port)
                client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try client.receive(until: "\r\n\r\n")
                server.sweep(now: .now + .seconds(14))
                server.sweep(now: .now + .seconds(16))
                _ = try client.receive(until: ":\n\n")
            }
            var future = ContinuousClock.now + .seconds(16)
            try await eventually("the dead client is found") {
                future += .seconds(16)
                server.sweep(now: future)
                return ended.load(ordering: .relaxed)
            }
            try await eventually("the connection is gone") { server.connectionCount == 0 }
        }
    }

    @Test func eventTextIsFramed() async throws {
        let response = HTTPResponse.serverSentEvents { writer in
            try await writer.send("one\ntwo\r\nthree\rfour", event: "a\nb", id: "1\r\n", retry: 500)
            try await writer.send("")
        }
        let text = String(decoding: try await response.collectBody(), as: UTF8.self)
        #expect(text == "id: 1\nevent: ab\nretry: 500\ndata: one\ndata: two\ndata: three\ndata: four\n\ndata: \n\n")
    }
}
