import HTTPServer
import JSON
import Testing

@testable import DeviceRegistry

@Suite("Devices of the registry")
struct DeviceTests {
    @Test("a device is made, read, replaced, patched, deleted, purged, and its id is free again")
    func life() async throws {
        try await RegistryFixture.with { registry in
            let made = try await registry.ask(.put, "/v1/devices/pump-7", #"{"type":"sensor","name":"Pump 7","labels":{"site":"north"}}"#)
            #expect(made.status == 201)
            #expect(made.tag == "\"1\"")
            #expect(made.headers["Location"] == "/v1/devices/pump-7")
            #expect(made.json["lifecycle"] == .string("provisioned"))
            #expect(made.json["status"] == .string("offline"))

            let read = try await registry.ask(.get, "/v1/devices/pump-7")
            #expect(read.body == made.body)
            #expect(try await registry.ask(.get, "/v1/devices/pump-7", nil, ["If-None-Match": "\"1\""]).status == 304)

            let again = try await registry.ask(.put, "/v1/devices/pump-7", read.body)
            #expect(again.status == 200)
            #expect(again.body == made.body, "what was read is replaced by itself: nothing changes")

            let patched = try await registry.ask(.patch, "/v1/devices/pump-7", #"{"name":null,"attributes":{"rack":{"row":3}}}"#)
            #expect(patched.tag == "\"2\"")
            #expect(patched.json["name"] == nil)
            #expect(patched.json["attributes"]?["rack"]?["row"] == .int(3))

            let facts = try await registry.ask(.patch, "/v1/devices/pump-7/facts", #"{"ip":"10.0.0.7","uptime":12.0}"#)
            #expect(facts.json["facts"]?.text == #"{"ip":"10.0.0.7","uptime":12.0}"#)
            #expect(facts.tag == "\"3\"")

            #expect(try await registry.ask(.delete, "/v1/devices/pump-7").status == 204)
            #expect(try await registry.ask(.delete, "/v1/devices/pump-7").status == 204)
            #expect(try await registry.ask(.get, "/v1/devices/pump-7").code == "device_unknown")
            let taken = try await registry.ask(.put, "/v1/devices/pump-7", #"{"type":"sensor"}"#)
            #expect((taken.status, taken.code) == (409, "deleted"))
            #expect(try await registry.ask(.post, "/v1/devices/pump-7:purge").status == 204)
            #expect(try await registry.ask(.post, "/v1/devices", #"{"id":"pump-7","type":"sensor"}"#).status == 201)
        }
    }

    @Test("the lifecycle goes its steps only")
    func lifecycle() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"gateway"}"#)
            #expect(try await registry.ask(.post, "/v1/devices/d:purge").code == "not_deleted")
            #expect(try await registry.ask(.post, "/v1/devices/d:activate").json["lifecycle"] == .string("active"))
            #expect(try await registry.ask(.post, "/v1/devices/d:activate").tag == "\"2\"", "a step to where it is changes nothing")
            #expect(try await registry.ask(.post, "/v1/devices/d:suspend").tag == "\"3\"")
            #expect(try await registry.ask(.post, "/v1/devices/d:activate").tag == "\"4\"")
            #expect(try await registry.ask(.patch, "/v1/devices/d", #"{"lifecycle":"provisioned"}"#).code == "lifecycle_conflict")
            #expect(try await registry.ask(.post, "/v1/devices/d:retire").json["lifecycle"] == .string("retired"))
            let back = try await registry.ask(.post, "/v1/devices/d:activate")
            #expect((back.status, back.code, back.field) == (409, "lifecycle_conflict", "lifecycle"))
            #expect(try await registry.ask(.post, "/v1/devices/d:purge").status == 204)
            #expect(try registry.rows("SELECT count(*) FROM registry.devices") == ["0"])
        }
    }

    @Test("preconditions: If-Match, If-None-Match")
    func preconditions() async throws {
        try await RegistryFixture.with { registry in
            let body = #"{"type":"sensor"}"#
            #expect(try await registry.ask(.put, "/v1/devices/d", body, ["If-Match": "\"1\""]).code == "revision_mismatch")
            #expect(try await registry.ask(.put, "/v1/devices/d", body, ["If-None-Match": "*"]).status == 201)
            let second = try await registry.ask(.put, "/v1/devices/d", body, ["If-None-Match": "*"])
            #expect((second.status, second.code) == (412, "already_exists"))
            let named = try await registry.ask(.patch, "/v1/devices/d", #"{"name":"x"}"#, ["If-Match": "\"1\""])
            #expect(named.tag == "\"2\"")
            let stale = try await registry.ask(.patch, "/v1/devices/d", #"{"name":"y"}"#, ["If-Match": "\"1\""])
            #expect((stale.status, stale.code, stale.field) == (412, "revision_mismatch", "If-Match"))
            #expect(try await registry.ask(.delete, "/v1/devices/d", nil, ["If-Match": "\"1\", \"2\""]).status == 204)
            for wrong in ["2", "W/\"2\"", "\"x\"", "\"2\",", ""] {
                let answer = try await registry.ask(.delete, "/v1/devices/d", nil, ["If-Match": wrong])
                #expect((answer.status, answer.code, answer.field) == (400, "invalid_parameter", "If-Match"), "\(wrong)")
            }
            #expect(try await registry.ask(.put, "/v1/devices/e", body, ["If-None-Match": "\"1\""]).code == "invalid_parameter")
        }
    }

    @Test("refusals have a status, a code and a field, and leave nothing behind")
    func refusals() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/gw", #"{"type":"gateway"}"#)
            try await registry.ask(.put, "/v1/devices/child", #"{"type":"sensor","parent":"gw"}"#)
            try await registry.ask(.put, "/v1/devices/dead", #"{"type":"sensor"}"#)
            try await registry.ask(.delete, "/v1/devices/dead")
            let before = try registry.dump()
            let deep = String(repeating: "[", count: 20) + String(repeating: "]", count: 20)
            let cases: [(HTTPMethod, String, String?, HTTPHeaders, Int, String, String?)] = [
                (.put, "/v1/devices/a%20b", #"{"type":"sensor"}"#, [:], 400, "invalid_parameter", "id"),
                (.put, "/v1/devices/\(String(repeating: "x", count: 129))", #"{"type":"sensor"}"#, [:], 400, "invalid_parameter", "id"),
                (.put, "/v1/devices/n", #"{"type":"pump"}"#, [:], 422, "type_unknown", "type"),
                (.put, "/v1/devices/n", #"{"type":"sensor","parent":"nobody"}"#, [:], 422, "parent_unknown", "parent"),
                (.put, "/v1/devices/n", #"{"type":"sensor","parent":"dead"}"#, [:], 422, "parent_unknown", "parent"),
                (.put, "/v1/devices/n", #"{"type":"sensor","parent":"n"}"#, [:], 422, "parent_loop", "parent"),
                (.patch, "/v1/devices/gw", #"{"parent":"child"}"#, [:], 422, "parent_loop", "parent"),
                (.put, "/v1/devices/n", #"{"type":"sensor","type":"gateway"}"#, [:], 400, "duplicate_member", "type"),
                (.put, "/v1/devices/n", #"{"type":"sensor","attributes":{"a":\#(deep)}}"#, [:], 400, "body_too_deep", nil),
                (.put, "/v1/devices/n", "{", [:], 400, "invalid_body", nil),
                (.put, "/v1/devices/n", "\u{FEFF}{}", [:], 400, "invalid_body", nil),
                (.put, "/v1/devices/n", #"{"type":"sensor","colour":"red"}"#, [:], 400, "unknown_member", "colour"),
                (.put, "/v1/devices/n", #"{"type":"sensor"}"#, ["Content-Type": "text/csv"], 415, "unsupported_media_type", nil),
                (.patch, "/v1/devices/gw", "{}", ["Content-Type": "application/json"], 415, "unsupported_media_type", nil),
                (.put, "/v1/devices/n", String(repeating: " ", count: 131_073), [:], 413, "body_too_large", nil),
                (.patch, "/v1/devices/gw", #"{"revision":9}"#, [:], 400, "read_only_member", "revision"),
                (.patch, "/v1/devices/nobody", "{}", [:], 404, "device_unknown", "id"),
                (.patch, "/v1/devices/dead", #"{"name":"x"}"#, [:], 409, "deleted", "id"),
                (.patch, "/v1/devices/gw/facts", "[]", [:], 400, "wrong_type", "body"),
                (.post, "/v1/devices/nobody:purge", nil, [:], 404, "device_unknown", "id"),
                (.post, "/v1/devices/gw:purge", nil, [:], 409, "not_deleted", "id"),
                (.post, "/v1/devices/dead:activate", nil, [:], 409, "deleted", "id"),
                (.post, "/v1/devices", #"{"type":"sensor"}"#, [:], 400, "missing_member", "id"),
                (.post, "/v1/devices", #"{"id":"gw","type":"sensor"}"#, [:], 409, "already_exists", "id"),
                (.post, "/v1/devices", #"{"id":"dead","type":"sensor"}"#, [:], 409, "deleted", "id"),
                (.get, "/v1/devices?labels=a", nil, [:], 400, "invalid_parameter", "labels"),
                (.get, "/v1/devices?sort=colour", nil, [:], 400, "invalid_parameter", "sort"),
                (.get, "/v1/devices?cursor=abc", nil, [:], 400, "invalid_cursor", "cursor"),
                (.get, "/v1/devices?colour=red", nil, [:], 400, "unknown_parameter", "colour"),
            ]
            for (method, path, body, headers, status, code, field) in cases {
                let answer = try await registry.ask(method, path, body, headers)
                #expect((answer.status, answer.code, answer.field) == (status, code, field), "\(method) \(path) \(body?.prefix(80) ?? "")")
                #expect(answer.headers["Content-Type"] == "application/problem+json")
            }
            #expect(try registry.dump() == before)
        }
    }

    @Test("a gateway with devices behind it is not purged")
    func children() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/gw", #"{"type":"gateway"}"#)
            try await registry.ask(.put, "/v1/devices/child", #"{"type":"sensor","parent":"gw"}"#)
            try await registry.ask(.delete, "/v1/devices/gw")
            let answer = try await registry.ask(.post, "/v1/devices/gw:purge")
            #expect((answer.status, answer.code) == (409, "has_children"))
            #expect(try await registry.ask(.patch, "/v1/devices/child", #"{"parent":null}"#).json["parent"] == nil)
            #expect(try await registry.ask(.post, "/v1/devices/gw:purge").status == 204)
        }
    }

    @Test("hostile texts are data: stored as they are, or refused; the tables stand")
    func injection() async throws {
        try await RegistryFixture.with { registry in
            let payloads = [
                "'; DROP TABLE registry.devices; --", "\" OR 1=1 --", "$1", "\\", "%s%n", "=cmd|' /C calc'!A0", "<script>alert(1)</script>",
                "\u{202E}abc", "🦅", "{\"a\":1}", "NULL", "a\\u0000b",
            ]
            for (index, payload) in payloads.enumerated() {
                let document = JSONValue.object([
                    "type": .string("sensor"), "name": .string(payload), "model": .string(payload),
                    "labels": .object(["k": .string(payload)]),
                    "attributes": .object([JSONValue.Member(name: payload, value: .string(payload))]),
                ])
                let answer = try await registry.ask(.put, "/v1/devices/d\(index)", document.text)
                #expect(answer.status == 201, "\(payload): \(answer.body)")
                let read = try await registry.ask(.get, "/v1/devices/d\(index)")
                #expect(read.json["name"] == .string(payload))
                #expect(read.json["attributes"]?[payload] == .string(payload))
            }
            let before = try registry.dump()
            for payload in payloads {
                let escaped = payload.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                for target in [
                    "/v1/devices/\(escaped)", "/v1/devices?labels=\(escaped)", "/v1/devices?type=\(escaped)", "/v1/devices?sort=\(escaped)",
                ] {
                    let answer = try await registry.ask(.get, target)
                    // `$1` and the like are no ids; nothing of it reaches the statement either way.
                    #expect([400, 404].contains(answer.status), "\(target)")
                }
                #expect(try await registry.ask(.get, "/v1/devices?id_prefix=\(escaped)").json["devices"] == .array([]))
                #expect(try await registry.ask(.get, "/v1/devices?labels=k%3D\(escaped.replacing("%2c", with: "%2C"))").status == 200)
            }
            #expect(try registry.dump() == before)
        }
    }

    @Test("of writers that race on one revision one wins; without it all do, one after the other")
    func races() async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor"}"#)
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        try await registry.ask(.patch, "/v1/devices/d", #"{"name":"n\#(number)"}"#, ["If-Match": "\"1\""]).status
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(statuses.filter { $0 == 200 }.count == 1)
            #expect(statuses.filter { $0 == 412 }.count == 19)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask { try await registry.ask(.patch, "/v1/devices/d", #"{"labels":{"l\#(number)":"x"}}"#) }
                }
                try await group.waitForAll()
            }
            let device = try await registry.ask(.get, "/v1/devices/d")
            #expect(device.json["labels"]?.objectValue?.count == 20)
            #expect(device.tag == "\"22\"")
            let made = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 { group.addTask { try await registry.ask(.post, "/v1/devices", #"{"id":"new","type":"sensor"}"#).status } }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(made.filter { $0 == 201 }.count == 1)
            #expect(made.filter { $0 == 409 }.count == 19)
        }
    }
}
