import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import HTTPServer

/// What is handed to libmicrohttpd as a pointer is retained by hand: nothing may stay behind, whichever way a request ends.
@Suite(.timeLimit(.minutes(1))) struct OwnershipTests {
    private final class Weak: Sendable {
        private struct Reference { weak var value: Exchange? }
        private let references = Mutex<[Reference]>([])

        func watch(_ request: HTTPRequest) {
            guard case .exchange(let exchange) = request.body.source else { return }
            references.withLock { $0.append(Reference(value: exchange)) }
        }

        var watched: Int { references.withLock { $0.count } }
        var alive: Int { references.withLock { $0.count { $0.value != nil } } }
    }

    @Test func everyExchangeAndTheServerAreFreed() async throws {
        let exchanges = Weak()
        weak var released: HTTPServer?
        do {
            let server = HTTPServer(configuration: HTTPServerConfiguration(), logger: Logger(label: "test", level: .critical)) { request in
                exchanges.watch(request)
                switch request.path {
                case "/stream", "/left": return .stream(type: "text/plain") { for _ in 0..<200 { try await $0.write(Self.block) } }
                case "/events": return .serverSentEvents { writer in while true { try await writer.send("x") } }
                case "/slow":
                    try? await Task.sleep(for: .seconds(3_600))
                    return .text("too late")
                default: return .text("\((try? await request.body.collect(upTo: 1_000))?.count ?? -1)")
                }
            }
            released = server
            try server.start()
            try await onThread { try Self.endInEveryWay(server, exchanges) }
            try await eventually("the abandoned request runs") { exchanges.watched == 8 }
            await server.stop(gracePeriod: .zero)
        }
        try await eventually("all exchanges are freed") { exchanges.alive == 0 }
        try await eventually("the server is freed") { released == nil }
        #expect(exchanges.watched == 8)
    }

    private static let block = [UInt8](repeating: 0x61, count: 10_000)

    private static func endInEveryWay(_ server: HTTPServer, _ exchanges: Weak) throws {
        func client(_ text: String) throws -> RawClient {
            let client = try RawClient(port: server.port)
            client.send(text)
            return client
        }
        #expect(try client("GET / HTTP/1.1\r\nHost: x\r\n\r\n").answer()?.status == 200)
        #expect(try client("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").answer()?.status == 200)
        #expect(try client("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").receiveAll().count > 2_000_000)
        // The client leaves: within an answer, within events, within its own body.
        _ = try client("GET /left HTTP/1.1\r\nHost: x\r\n\r\n").receive(until: "\r\n\r\n")
        _ = try client("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").receive(until: "data: x\n\n")
        _ = try client("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npart")
        while exchanges.watched < 6 || server.requestCount > 0 { usleep(1_000) }
        // The deadline passes; the server stops.
        let late = try client("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        while exchanges.watched < 7 { usleep(1_000) }
        server.sweep(now: .now + .seconds(31))
        #expect(try late.answer()?.status == 503)
        while server.requestCount > 0 { usleep(1_000) }
        _ = try client("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    }
}
