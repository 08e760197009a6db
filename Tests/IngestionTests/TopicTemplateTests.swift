import Testing

@testable import Ingestion

@Suite struct TopicTemplateTests {
    private func match(_ table: TopicTable, _ topic: String) -> String? {
        Array(topic.utf8).withUnsafeBytes { bytes in
            table.match(bytes).map { "\($0.kind.rawValue) \(String(decoding: $0.device, as: UTF8.self))" }
        }
    }

    @Test(arguments: [
        ("v1/d/x/telemetry", "telemetry x"), ("v1/d/x/status", "status x"), ("sensor/s-1/telemetry", "telemetry s-1"),
        ("sensors/s-1/data", "telemetry s-1"), ("device/d/data", "telemetry d"), ("device/d/status", "status d"),
        ("devices/d/status", "status d"), ("/sys/product/d/thing/event/property/post", "telemetry d"), ("device//data", "telemetry "),
    ])
    func theDefaultsMatch(_ topic: String, _ expected: String) throws {
        #expect(match(try TopicTable(entries: TopicTable.defaultEntries), topic) == expected)
    }

    @Test(arguments: [
        "", "/", "v1/d/x", "v1/d/x/telemetry/", "v1/d/x/y/telemetry", "/v1/d/x/telemetry", "v1/d/x/Telemetry",
        "sys/p/d/thing/event/property/post",
        "v1/d/x/telemetr", "v1/d/x/telemetryy",
    ])
    func othersDoNot(_ topic: String) throws {
        #expect(match(try TopicTable(entries: TopicTable.defaultEntries), topic) == nil)
    }

    @Test func aTemplateSaysWhatToSubscribeTo() throws {
        #expect(try TopicTemplate(entry: "telemetry /sys/{product}/{device}/x").filter == "/sys/+/+/x")
        #expect(try TopicTemplate(entry: "status {device}").filter == "+")
    }

    @Test(arguments: [
        "", "telemetry", "metrics a/{device}", "telemetry a/b", "telemetry {device}/{device}", "telemetry a/{device}x",
        "telemetry a/#/{device}",
        "telemetry a/{de{vice}/{device}", "telemetry a+/{device}",
    ])
    func faultyEntriesAreNamed(_ entry: String) {
        #expect(throws: TopicTemplateError.self) { try TopicTemplate(entry: entry) }
    }

    @Test func overlapsAreRefused() {
        let error = #expect(throws: TopicTemplateError.self) {
            try TopicTable(entries: ["telemetry device/{device}/data", "telemetry {site}/{device}/data"])
        }
        #expect(error?.description.contains("device/{device}/data") == true)
        #expect(throws: TopicTemplateError.self) { try TopicTable(entries: []) }
    }
}
