import HTTPServer
import JSON
import Testing

@testable import DeviceRegistry

@Suite("Device types")
struct TypeTests {
    private static let pump =
        #"{"description":"Pumps.","heartbeat_seconds":60,"range_policy":"flag","labels":{"kind":"pump"},"#
        + #""metrics":[{"name":"level","unit":"m","minimum":0,"maximum":4.5},{"name":"flow"}]}"#

    @Test("a type is made, read, replaced by itself, patched, used and removed")
    func life() async throws {
        try await RegistryFixture.with { registry in
            let made = try await registry.ask(.put, "/v1/types/pump", Self.pump)
            #expect((made.status, made.tag) == (201, "\"1\""))
            #expect(made.json["metrics"]?.arrayValue?.map { $0["name"] } == [.string("flow"), .string("level")])
            let read = try await registry.ask(.get, "/v1/types/pump")
            #expect(read.body == made.body)
            #expect(try await registry.ask(.put, "/v1/types/pump", read.body).body == made.body)
            let patched = try await registry.ask(.patch, "/v1/types/pump", #"{"range_policy":null,"heartbeat_seconds":90}"#)
            #expect(patched.tag == "\"2\"")
            #expect(patched.json["range_policy"] == .string("ignore"))
            let device = try await registry.ask(.put, "/v1/devices/p", #"{"type":"pump","labels":{"site":"n"}}"#)
            #expect(device.json["labels"]?.text == #"{"kind":"pump","site":"n"}"#)
            let own = try await registry.ask(.put, "/v1/devices/p", #"{"type":"pump","labels":{"kind":"own"}}"#)
            #expect(own.json["labels"]?.text == #"{"kind":"own"}"#)
            let used = try await registry.ask(.delete, "/v1/types/pump")
            #expect((used.status, used.code) == (409, "type_in_use"))
            try await registry.ask(.patch, "/v1/devices/p", #"{"type":"sensor"}"#)
            #expect(try await registry.ask(.delete, "/v1/types/pump", nil, ["If-Match": "\"1\""]).code == "revision_mismatch")
            #expect(try await registry.ask(.delete, "/v1/types/pump").status == 204)
            #expect(try await registry.ask(.get, "/v1/types/pump").code == "type_unknown")
        }
    }

    @Test("the built-in types are there and stay")
    func builtIn() async throws {
        try await RegistryFixture.with { registry in
            let all = try await registry.ask(.get, "/v1/types")
            #expect(all.json["types"]?.arrayValue?.compactMap { $0["name"]?.stringValue } == ["actuator", "gateway", "sensor"])
            let answer = try await registry.ask(.delete, "/v1/types/sensor")
            #expect((answer.status, answer.code) == (409, "type_built_in"))
            #expect(try await registry.ask(.patch, "/v1/types/gateway", #"{"heartbeat_seconds":45}"#).tag == "\"2\"")
            let page = try await registry.ask(.get, "/v1/types?limit=2")
            let next = try #require(page.json["next"]?.stringValue)
            let rest = try await registry.ask(.get, "/v1/types?limit=2&cursor=\(next)")
            #expect(rest.json["types"]?.arrayValue?.compactMap { $0["name"]?.stringValue } == ["sensor"])
            #expect(rest.json["next"] == .null)
        }
    }

    @Test(
        "a fault has its code and names the member",
        arguments: [
            (#"{"heartbeat_seconds":0}"#, "invalid_value", "heartbeat_seconds"),
            (#"{"heartbeat_seconds":1.5}"#, "wrong_type", "heartbeat_seconds"),
            (#"{"range_policy":"drop"}"#, "invalid_value", "range_policy"),
            (#"{"metrics":{}}"#, "wrong_type", "metrics"), (#"{"metrics":[{}]}"#, "missing_member", "metrics[0].name"),
            (#"{"metrics":[{"name":"a"},{"name":"a"}]}"#, "invalid_value", "metrics[1].name"),
            (#"{"metrics":[{"name":"a","minimum":2,"maximum":1}]}"#, "invalid_value", "metrics[0].maximum"),
            (#"{"metrics":[{"name":"a","min":1}]}"#, "unknown_member", "metrics[0].min"),
            (#"{"metrics":[{"name":"a","unit":""}]}"#, "invalid_value", "metrics[0].unit"),
            (#"{"labels":{"":"x"}}"#, "invalid_value", "labels."), (#"{"name":"other"}"#, "invalid_value", "name"),
            (#"{"colour":1}"#, "unknown_member", "colour"),
        ])
    func faults(body: String, code: String, field: String) async throws {
        try await RegistryFixture.with { registry in
            let before = try registry.dump()
            let answer = try await registry.ask(.put, "/v1/types/pump", body)
            #expect((answer.status, answer.code, answer.field) == (400, code, field))
            #expect(try registry.dump() == before)
        }
    }
}
