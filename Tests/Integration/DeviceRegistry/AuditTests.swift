import HTTPServer
import JSON
import PostgresClient
import Testing

@testable import DeviceRegistry

@Suite("The audit log")
struct AuditTests {
    @Test("it is read by device, actor and time, newest first, in pages")
    func queries() async throws {
        try await RegistryFixture.with { registry in
            for number in 0..<5 { try await registry.ask(.put, "/v1/devices/d\(number)", #"{"type":"sensor"}"#) }
            for name in ["a", "b", "c"] { try await registry.ask(.patch, "/v1/devices/d1", #"{"name":"\#(name)"}"#) }
            try await registry.ask(.put, "/v1/groups/g", "{}")
            try await registry.ask(.post, "/v1/groups/g/members", #"{"add":["d1"]}"#)
            func entries(_ query: String) async throws -> [JSONValue] {
                try await registry.ask(.get, "/v1/audit?\(query)").json["entries"]?.arrayValue ?? []
            }
            let device = try await entries("device=d1")
            #expect(device.compactMap { $0["action"]?.stringValue } == ["patch", "patch", "patch", "create"])
            #expect(device.first?["before"]?["name"] == .string("b"))
            #expect(device.first?["after"]?["name"] == .string("c"))
            #expect(device.first?["request_id"] == .string("test"))
            #expect(try await entries("kind=member").compactMap { $0["after"]?["group_name"]?.stringValue } == ["g"])
            #expect(try await entries("kind=type&actor=registry").count == 3)
            #expect(try await entries("actor=nobody").isEmpty)
            #expect(try await entries("device=d1&from=-1h").count == 4)
            #expect(try await entries("device=d1&to=-1h").isEmpty)
            var found: [Int64] = []
            var cursor: String?
            repeat {
                let page = try await registry.ask(.get, "/v1/audit?limit=4" + (cursor.map { "&cursor=\($0)" } ?? ""))
                found += (page.json["entries"]?.arrayValue ?? []).compactMap { $0["id"]?.intValue }
                cursor = page.json["next"]?.stringValue
            } while cursor != nil
            #expect(found == found.sorted(by: >))
            #expect("\(found.count)" == (try registry.rows("SELECT count(*) FROM registry.audit"))[0])
            for (query, field) in [("from=yesterday", "from"), ("kind=secret", "kind"), ("device=a%20b", "device")] {
                let answer = try await registry.ask(.get, "/v1/audit?\(query)")
                #expect((answer.status, answer.code, answer.field) == (400, "invalid_parameter", field))
            }
        }
    }
}
