import DeviceJSON
import Domain
import Testing

@Suite struct StatusTests {
    private func status(_ text: String) throws -> DeviceStatus {
        var reader = DeviceJSONReader()
        let (payload, device) = (Array(text.utf8), Array("d1".utf8))
        return try payload.withUnsafeBytes { payload in
            try device.withUnsafeBytes { try reader.readStatus(payload, ReadingContext(device: $0, now: now)) }
        }
    }

    @Test func anObject() throws {
        let json = #"{"status":"offline","reason":"battery","session":42,"timestamp":1767323044,"device_id":"d1"}"#
        let expected = DeviceStatus(
            kind: .offline, reason: "battery", session: "42", time: Timestamp(microseconds: 1_767_323_044_000_000))
        #expect(try status(json) == expected)
    }

    @Test(arguments: [
        ("online", DeviceStatus.Kind.online), ("1", .online), (" ONLINE\n", .online), (#""connected""#, .online), ("true", .online),
        ("offline", .offline), ("0", .offline), (#"{"state":false}"#, .offline), ("error", .error), ("Maintenance", .other("Maintenance")),
    ])
    func words(_ text: String, _ kind: DeviceStatus.Kind) throws {
        #expect(try status(text).kind == kind)
        #expect(try status(text).time == now)
    }

    @Test(arguments: [
        ("", DeviceJSONError.Reason.statusMissing), ("{}", .statusMissing), (#"{"status":null}"#, .statusMissing),
        (#"{"status":[]}"#, .statusInvalid), ("two words", .statusInvalid), (#"{"status":"on"#, .jsonMalformed),
        (#"{"status":"online","device_id":"d2"}"#, .deviceMismatch), (#"{"status":"online","reason":{}}"#, .statusInvalid),
    ])
    func refusals(_ text: String, _ expected: DeviceJSONError.Reason) {
        let error = #expect(throws: DeviceJSONError.self) { try status(text) }
        #expect(error?.reason == expected)
    }
}
