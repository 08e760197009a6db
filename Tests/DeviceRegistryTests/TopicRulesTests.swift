import Testing

@testable import DeviceRegistry

@Suite("Topics that are a device's own")
struct TopicRulesTests {
    @Test(
        "a device publishes below its own id and nowhere else",
        arguments: [
            ("sensor/d1/telemetry", true), ("sensor/d1/a/b/c", true), ("sensor/d1", true), ("sensor/d1/", true),
            ("sensor/d2/telemetry", false),
            ("sensor/d11/telemetry", false), ("sensor/d/telemetry", false), ("sensor//d1", false), ("sensor/D1/telemetry", false),
            ("/sensor/d1/telemetry", false), ("sensor/+/telemetry", false), ("sensor/d1/+", false), ("sensor/d1/#", false), ("#", false),
            ("", false), ("$SYS/broker", false), ("sensor/d1/\u{0}", false), ("sensor", false), ("SENSOR/d1/x", false),
        ])
    func publishing(topic: String, isOwn: Bool) throws {
        let rules = try #require(TopicRules(TopicRules.standard))
        #expect(rules.mayPublish(topic, "d1") == isOwn)
    }

    @Test(
        "a device subscribes to what lets through nothing of others",
        arguments: [
            ("sensor/d1/#", true), ("sensor/d1/+", true), ("sensor/d1/+/set", true), ("sensor/d1/command", true),
            ("sensor/+/command", false),
            ("sensor/#", false), ("+/d1/command", false), ("#", false), ("$share/g/sensor/d1/#", false), ("sensor/d2/#", false),
            ("sensor/d1#", false), ("sensor/d1+/x", false),
        ])
    func subscribing(filter: String, isOwn: Bool) throws {
        let rules = try #require(TopicRules(TopicRules.standard))
        #expect(rules.maySubscribe(filter, "d1") == isOwn)
    }

    @Test("patterns of one level, several patterns")
    func patterns() throws {
        let rules = try #require(TopicRules("a/{device}/+/up,b/{device}"))
        #expect(rules.mayPublish("a/d/x/up", "d") && rules.mayPublish("b/d", "d"))
        #expect(!rules.mayPublish("a/d/x/y/up", "d") && !rules.mayPublish("a/d/x", "d") && !rules.mayPublish("b/d/x", "d"))
        #expect(rules.maySubscribe("a/d/+/up", "d") && !rules.maySubscribe("a/d/#", "d") && !rules.maySubscribe("b/d/#", "d"))
    }

    @Test(
        "what would open more than a device's own is no pattern",
        arguments: [
            "", "#", "sensor/#", "sensor/+/x", "{device}x/y", "sensor/#/{device}", "sensor/{device}/#,", "a//{device}", "a/{device}/b#",
            "a/{device} /b", "a/{device}/{type}",
        ])
    func refused(text: String) { #expect(TopicRules(text) == nil) }
}
