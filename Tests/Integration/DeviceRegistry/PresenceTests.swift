import Domain
import HTTPServer
import JSON
import Metrics
import PostgresClient
import TestSupport
import Testing
import Wire

@testable import DeviceRegistry

@Suite("Presence from the topics")
struct PresenceTests {
    @Test("status messages, wills and traffic set the status; the first sign of life makes a device active; the revision stays then")
    func signs() async throws {
        try await PresenceFixture.with { fixture in
            let registry = fixture.registry
            for id in ["a", "b", "c", "quiet"] { try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#) }
            try await registry.ask(.post, "/v1/devices/c:suspend")
            try await fixture.withReader { metrics in
                try fixture.say(.online, "a", session: "s1")
                try fixture.speak("b", "c", "stranger")
                for id in ["a", "b", "c"] { try await fixture.eventuallyStatus(id, "online") }
                let first = try await registry.ask(.get, "/v1/devices/a").json
                #expect(first["lifecycle"]?.stringValue == "active" && first["revision"]?.intValue == 2)
                #expect(first["status_version"]?.intValue == 1 && first["last_seen"] != nil && first["status_since"] != nil)
                #expect(try registry.rows("SELECT lifecycle FROM registry.devices WHERE id = 'c'") == ["suspended"])
                try fixture.say(.error, "a", session: "s1")
                try await fixture.eventuallyStatus("a", "error")
                try fixture.say(.offline, "a", session: "s0")
                try fixture.say(.offline, "a", session: "s1")
                try await fixture.eventuallyStatus("a", "offline")
                let last = try await registry.ask(.get, "/v1/devices/a").json
                #expect(last["revision"]?.intValue == 2 && last["status_version"]?.intValue == 3)
                try await eventually("it is counted", within: 20) { metrics.changes(to: .offline) == 1 }
                #expect(metrics.failures.value == 0)
                #expect(try registry.rows("SELECT count(*) FROM registry.devices WHERE id = 'stranger'") == ["0"])
                let query = try await registry.ask(.get, "/v1/devices?q=and(eq(status,%22offline%22),lt(lastSeen,now))").json
                #expect(query["devices"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == ["a"])
                let counts = try await registry.ask(.get, "/v1/devices:count?by=status").json
                #expect(counts["count"]?.intValue == 4)
                #expect(
                    try registry.rows("SELECT type, status, count FROM registry.device_totals ORDER BY 2")
                        == ["sensor|offline|2", "sensor|online|2"])
                let audit = try registry.rows("SELECT actor, action, key FROM registry.audit WHERE actor = 'presence' ORDER BY key")
                #expect(audit == ["presence|activate|a", "presence|activate|b"])
            }
        }
    }

    @Test("a silent device becomes offline once; heartbeats touch nothing else; what comes later brings it back")
    func silence() async throws {
        try await PresenceFixture.with { fixture in
            let registry = fixture.registry
            try await registry.ask(.put, "/v1/types/brisk", #"{"heartbeat_seconds":1}"#)
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"brisk"}"#)
            try await registry.ask(.put, "/v1/devices/slow", #"{"type":"sensor"}"#)
            try await fixture.withReader { metrics in
                let row = "SELECT status, version, silent, since > last_seen FROM registry.presence WHERE device = 'd'"
                try fixture.speak("d", "slow")
                try await eventually("it came and was silent", within: 60) { try registry.rows(row) == ["offline|2|true|true"] }
                try await eventually("it is counted", within: 20) { metrics.changes(to: .offline) == 1 }
                try fixture.speak("d")
                try await eventually("it came again and was silent", within: 60) { try registry.rows(row) == ["offline|4|true|true"] }
                try await eventually("it is counted", within: 20) { metrics.changes(to: .offline) == 2 }
                try await fixture.eventuallyStatus("slow", "online")
                #expect(try registry.rows("SELECT revision FROM registry.devices WHERE id = 'slow'") == ["2"])
            }
        }
    }

    @Test("while the registry is away nobody becomes offline; what waited is read before silence is judged")
    func restart() async throws {
        try await PresenceFixture.with { fixture in
            let registry = fixture.registry
            try await registry.ask(.put, "/v1/types/brisk", #"{"heartbeat_seconds":60}"#)
            for id in ["kept", "lost"] { try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"brisk"}"#) }
            try await fixture.withReader { _ in
                try fixture.speak("kept", "lost")
                try await fixture.eventuallyStatus("kept", "online")
                try await fixture.eventuallyStatus("lost", "online")
            }
            let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
            // As if the registry had been away for an hour in which one of them went on speaking.
            try connection.execute(
                """
                UPDATE registry.presence SET last_seen = last_seen - interval '1 hour', since = since - interval '1 hour';
                UPDATE registry.presence_offsets SET read_until = read_until - interval '1 hour'
                """)
            try fixture.speak("kept")
            try await fixture.withReader { metrics in
                try await fixture.eventuallyStatus("lost", "offline")
                try await eventually("it is counted", within: 20) { metrics.changes(to: .offline) == 1 }
                #expect(try registry.rows("SELECT version FROM registry.presence WHERE device = 'kept'") == ["1"])
            }
        }
    }

    @Test("read again from the beginning, the same records change nothing")
    func readAgain() async throws {
        try await PresenceFixture.with { fixture in
            let registry = fixture.registry
            for id in ["a", "b"] { try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#) }
            try fixture.say(.online, "a", session: "1")
            try fixture.say(.offline, "a", session: "1")
            try fixture.say(.online, "a", session: "2")
            try fixture.say(.online, "b")
            try fixture.say(.offline, "b")
            let read = "SELECT sum(next_offset) FROM registry.presence_offsets"
            try await fixture.withReader { _ in
                try await eventually("everything is read", within: 60) { try registry.rows(read) == ["5"] }
            }
            let rows = "SELECT device, status, session, since, last_seen, signs FROM registry.presence ORDER BY device"
            let before = try registry.rows(rows)
            #expect(before.count == 2)
            let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
            try connection.execute("DELETE FROM registry.presence_offsets")
            try await fixture.withReader { metrics in
                try await eventually("everything is read", within: 60) { try registry.rows(read) == ["5"] }
                #expect(metrics.changes(to: .online) + metrics.changes(to: .offline) == 0)
            }
            #expect(try registry.rows(rows) == before)
        }
    }

    @Test("an operator sets maintenance: shown whatever the device does, audited once, ended by him; refusals have their codes")
    func maintenance() async throws {
        try await PresenceFixture.with { fixture in
            let registry = fixture.registry
            try await registry.ask(.put, "/v1/devices/d", #"{"type":"sensor","lifecycle":"active"}"#)
            let started = try await registry.ask(.post, "/v1/devices/d:start-maintenance")
            #expect(started.status == 200 && started.json["status"]?.stringValue == "maintenance" && started.tag == "\"1\"")
            #expect(try await registry.ask(.post, "/v1/devices/d:start-maintenance").json == started.json)
            try await fixture.withReader { _ in
                try fixture.speak("d")
                try await eventually("it is heard", within: 60) {
                    try registry.rows("SELECT status, reached FROM registry.presence") == ["maintenance|online"]
                }
            }
            let ended = try await registry.ask(.post, "/v1/devices/d:end-maintenance").json
            #expect(ended["status"]?.stringValue == "online" && ended["status_version"]?.intValue == 2)
            #expect(try await registry.ask(.post, "/v1/devices/d:end-maintenance").json == ended)
            #expect(
                try registry.rows(
                    "SELECT action, before ->> 'status', after ->> 'status' FROM registry.audit WHERE action LIKE '%-maintenance' ORDER BY id"
                )
                    == ["start-maintenance|offline|maintenance", "end-maintenance|maintenance|online"])
            #expect(try registry.rows("SELECT type, status, count FROM registry.device_totals") == ["sensor|online|1"])
            #expect(try await registry.ask(.post, "/v1/devices/none:start-maintenance").code == "device_unknown")
            try await registry.ask(.delete, "/v1/devices/d")
            #expect(try await registry.ask(.post, "/v1/devices/d:start-maintenance").code == "deleted")
        }
    }

    @Test("auto-register makes sensors of unknown ids, bounded, audited; deleted and retired ids stay as they are")
    func autoRegister() async throws {
        try await PresenceFixture.with { fixture in
            let registry = fixture.registry
            for id in ["deleted", "retired"] { try await registry.ask(.put, "/v1/devices/\(id)", #"{"type":"gateway"}"#) }
            try await registry.ask(.delete, "/v1/devices/deleted")
            try await registry.ask(.post, "/v1/devices/retired:retire")
            try await fixture.withReader(["auto-register": "on", "auto-register-rate": "2"]) { metrics in
                try fixture.speak("deleted", "retired", "n1", "n2", "n3", "n4", "n5")
                let made = "SELECT count(*) FROM registry.devices WHERE type = 'sensor' AND lifecycle = 'active'"
                try await eventually("two are registered at once", within: 60) { try registry.rows(made) != ["0"] }
                try await eventually("the rest is refused for now", within: 60) { metrics.refused.value > 0 }
                try await eventually("the others follow as they speak on", within: 60) {
                    try fixture.speak("n1", "n2", "n3", "n4", "n5", "deleted", "retired")
                    return try registry.rows(made) == ["5"]
                }
                try await eventually("they are counted", within: 20) { metrics.registered.value == 5 }
            }
            #expect(
                try registry.rows("SELECT id, lifecycle, deleted_at IS NOT NULL FROM registry.devices WHERE type = 'gateway' ORDER BY id")
                    == ["deleted|provisioned|true", "retired|retired|false"])
            #expect(
                try registry.rows("SELECT DISTINCT actor, action FROM registry.audit WHERE key LIKE 'n_'") == ["auto-register|create"])
            try fixture.send("\(fixture.prefix)device-events", [("n1", [1, 2, 3]), ("no device!", [])])
            try await fixture.withReader { metrics in
                try await eventually("what is no event is passed over", within: 60) { metrics.unreadable.value == 2 }
            }
        }
    }
}
