import Foundation
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

    @Test("the default is what Mosquitto's file of access rules says")
    func standard() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = try String(contentsOf: root.appendingPathComponent("deploy/mosquitto/devices.acl"), encoding: .utf8)
        let lines = file.split(separator: "\n").filter { !$0.hasPrefix("#") }
        let both = "pattern readwrite "
        #expect(lines.allSatisfy { $0.hasPrefix(both) }, "one of \(lines) is for one direction only")
        let patterns = lines.map { String($0.dropFirst(both.count)) }
        let defaults = TopicRules.standard.split(separator: ",").map(String.init)
        #expect(patterns.map { $0.replacing("%u", with: "{device}") } == defaults)
        let rules = try #require(TopicRules(TopicRules.standard))
        for pattern in patterns {
            func filter(_ device: String) -> String { pattern.replacing("%u", with: device) }
            func topic(_ device: String) -> String { filter(device).replacing("+", with: "product").replacing("#", with: "a/b") }
            #expect(rules.mayPublish(topic("d1"), "d1"), "\(pattern)")
            #expect(rules.maySubscribe(filter("d1"), "d1"), "\(pattern)")
            for other in ["d2", "d11", "d", "D1", ""] {
                #expect(!rules.mayPublish(topic(other), "d1"), "\(pattern) of “\(other)”")
                #expect(!rules.maySubscribe(filter(other), "d1"), "\(pattern) of “\(other)”")
            }
            #expect(!rules.maySubscribe(filter("+"), "d1"), "\(pattern)")
        }
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
            "a/{device} /b", "a/{device}/{type}", "//{device}", "{device}/", "/",
        ])
    func refused(text: String) { #expect(TopicRules(text) == nil) }
}
