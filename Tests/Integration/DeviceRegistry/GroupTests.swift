import HTTPServer
import JSON
import PostgresClient
import Testing

@testable import DeviceRegistry

@Suite("Groups of devices")
struct GroupTests {
    private func ids(_ answer: RegistryFixture.Answer) -> [String] {
        (answer.json["devices"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
    }

    @Test("a tree of groups with members")
    func tree() async throws {
        try await RegistryFixture.with { registry in
            for number in 0..<6 { try await registry.ask(.put, "/v1/devices/d\(number)", #"{"type":"sensor"}"#) }
            #expect(try await registry.ask(.put, "/v1/groups/site", "{}").status == 201)
            #expect(try await registry.ask(.put, "/v1/groups/hall", #"{"parent":"site","description":"Hall 3"}"#).status == 201)
            let counts = try await registry.ask(.post, "/v1/groups/hall/members", #"{"add":["d1","d2","d1"]}"#)
            #expect(counts.json["added"] == .int(2))
            try await registry.ask(.post, "/v1/groups/site/members", #"{"add":["d0","d2"]}"#)
            #expect(try await ids(registry.ask(.get, "/v1/groups/hall/members")) == ["d1", "d2"])
            #expect(try await ids(registry.ask(.get, "/v1/groups/site/members")) == ["d0", "d2"])
            #expect(try await ids(registry.ask(.get, "/v1/groups/site/members?recursive=true")) == ["d0", "d1", "d2"])
            let page = try await registry.ask(.get, "/v1/groups/site/members?recursive=true&limit=2")
            let next = try #require(page.json["next"]?.stringValue)
            #expect(try await ids(registry.ask(.get, "/v1/groups/site/members?recursive=true&limit=2&cursor=\(next)")) == ["d2"])
            #expect(try await registry.ask(.delete, "/v1/groups/site").code == "group_in_use")
            try await registry.ask(.delete, "/v1/devices/d2")
            #expect(try await ids(registry.ask(.get, "/v1/groups/site/members")) == ["d0"])
            #expect(try await registry.ask(.delete, "/v1/groups/hall").status == 204)
            #expect(try await registry.ask(.delete, "/v1/groups/site").status == 204)
            #expect(try registry.rows("SELECT count(*) FROM registry.group_members") == ["0"])
        }
    }

    @Test("the members of a dynamic group are the devices that its query is true of, now")
    func dynamicGroups() async throws {
        try await RegistryFixture.with { registry in
            for number in 0..<6 {
                try await registry.ask(.put, "/v1/devices/d\(number)", #"{"type":"sensor","labels":{"floor":"\#(number % 2)"}}"#)
            }
            #expect(try await registry.ask(.put, "/v1/groups/all", "{}").status == 201)
            let query = #"{"parent":"all","query":"eq(labels.floor,'1')"}"#
            #expect(try await registry.ask(.put, "/v1/groups/upstairs", query).status == 201)
            #expect(try await ids(registry.ask(.get, "/v1/groups/upstairs/members")) == ["d1", "d3", "d5"])
            try await registry.ask(.patch, "/v1/devices/d3", #"{"labels":{"floor":"0"}}"#)
            #expect(try await ids(registry.ask(.get, "/v1/groups/upstairs/members")) == ["d1", "d5"])
            try await registry.ask(.post, "/v1/groups/all/members", #"{"add":["d0","d1"]}"#)
            #expect(try await ids(registry.ask(.get, "/v1/groups/all/members?recursive=true")) == ["d0", "d1", "d5"])
            #expect(try await ids(registry.ask(.get, "/v1/groups/all/members")) == ["d0", "d1"])
            #expect(try await registry.ask(.post, "/v1/groups/upstairs/members", #"{"add":["d0"]}"#).code == "group_dynamic")
            let broken = try await registry.ask(.put, "/v1/groups/upstairs", #"{"query":"eq(labels.floor,1)"}"#)
            #expect(broken.code == "invalid_query")
            #expect(broken.field == "query")
        }
    }

    @Test("the tree has no loop and sixteen levels at most, however it is put together")
    func depth() async throws {
        try await RegistryFixture.with { registry in
            for level in 1...16 {
                let parent = level == 1 ? "" : #""parent":"g\#(level - 1)""#
                #expect(try await registry.ask(.put, "/v1/groups/g\(level)", "{\(parent)}").status == 201)
            }
            let deeper = try await registry.ask(.put, "/v1/groups/g17", #"{"parent":"g16"}"#)
            #expect((deeper.status, deeper.code, deeper.field) == (422, "parent_loop", "parent"))
            #expect(try await registry.ask(.put, "/v1/groups/g1", #"{"parent":"g16"}"#).code == "parent_loop")
            #expect(try await registry.ask(.put, "/v1/groups/g1", #"{"parent":"g1"}"#).code == "parent_loop")
            try await registry.ask(.put, "/v1/groups/top", "{}")
            #expect(try await registry.ask(.put, "/v1/groups/g1", #"{"parent":"top"}"#).code == "parent_loop", "what lies below counts")
            #expect(try await registry.ask(.put, "/v1/groups/x", #"{"parent":"nowhere"}"#).code == "parent_unknown")
        }
    }

    @Test("members are taken in all or none, and refusals leave nothing")
    func refusals() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            try await registry.ask(.put, "/v1/groups/g", "{}")
            let before = try registry.dump()
            let many = (0...1_000).map { #""d\#($0)""# }.joined(separator: ",")
            for (path, body, status, code, field) in [
                ("/v1/groups/g/members", #"{"add":["d","nobody"]}"#, 422, "device_unknown", "add[1]"),
                ("/v1/groups/g/members", #"{"add":["a b"]}"#, 400, "invalid_value", "add[0]"),
                ("/v1/groups/g/members", #"{"add":[7]}"#, 400, "wrong_type", "add[0]"),
                ("/v1/groups/g/members", #"{"add":[\#(many)]}"#, 400, "too_many", "body"),
                ("/v1/groups/g/members", #"{"ad":[]}"#, 400, "unknown_member", "ad"),
                ("/v1/groups/nowhere/members", #"{"add":[]}"#, 404, "group_unknown", "name"),
            ] {
                let answer = try await registry.ask(.post, path, body)
                #expect((answer.status, answer.code, answer.field) == (status, code, field), "\(body.prefix(80))")
            }
            #expect(try registry.dump() == before)
        }
    }
}
