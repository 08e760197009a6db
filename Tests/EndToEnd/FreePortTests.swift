import Foundation
import TestSupport
import Testing

/// What the servers that tests kill and restart rely on: nobody else comes to their port meanwhile.
@Suite("A free port")
struct FreePortTests {
    @Test func isGivenOnce() async throws {
        let ports = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<200 { group.addTask { try freePort() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(ports).count == 200)
    }

    @Test func isNoneThatTheSystemGivesAway() throws {
        let range = try String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
        let first = try #require(range.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) })
        try #require(first > 12_000, "this machine gives away nearly all ports")
        for _ in 0..<50 { #expect(try freePort() < first) }
    }
}
