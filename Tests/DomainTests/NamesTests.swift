import Domain
import Testing

@Suite struct NamesTests {
    @Test(arguments: ["d", "pump-7", "AZaz09._:-", String(repeating: "x", count: 128)]) func deviceIDs(_ text: String) throws {
        #expect(try DeviceID(text).text == text)
        #expect(Array(text.utf8).withUnsafeBytes { DeviceID.isValid($0) })
    }

    @Test(arguments: [
        ("", DomainError.Code.empty), (String(repeating: "x", count: 129), .tooLong), ("a b", .invalidCharacter),
        ("a/b", .invalidCharacter),
        ("ä", .invalidCharacter), ("a\n", .invalidCharacter), ("+", .invalidCharacter), ("#", .invalidCharacter),
        ("a\0", .invalidCharacter),
    ]) func wrongDeviceIDs(_ text: String, _ code: DomainError.Code) {
        #expect(Array(text.utf8).withUnsafeBytes { !DeviceID.isValid($0) })
        let error = #expect(throws: DomainError.self) { try DeviceID(text) }
        #expect(error?.code == code)
        #expect(error?.field == "device")
    }

    /// The bit mask says the same as the list of characters.
    @Test func everyByte() {
        let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-".utf8)
        for byte in UInt8.min...UInt8.max {
            #expect([byte].withUnsafeBytes { DeviceID.isValid($0) } == allowed.contains(byte))
        }
    }

    /// Bytes are looked at sixteen at a time: one that is not allowed is seen at every place of every length.
    @Test func everyPlace() {
        for length in 1...40 {
            for place in 0..<length {
                for byte in [0x00, 0x20, 0x2C, 0x3B, 0x5B, 0x80, 0xE1, 0xFF] as [UInt8] {
                    var id = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                    #expect(id.withUnsafeBytes { DeviceID.isValid($0) && MetricName.isValid($0) })
                    id[place] = byte
                    if id.withUnsafeBytes({ DeviceID.isValid($0) }) { Issue.record("\(byte) at \(place) of \(length) in a device id") }
                    id[place] = byte & 0x1F
                    if id.withUnsafeBytes({ MetricName.isValid($0) }) { Issue.record("\(byte & 0x1F) at \(place) of \(length) in a name") }
                }
            }
        }
    }

    @Test(arguments: ["t", "Temperatur °C", "温度", "a b/c", String(repeating: "é", count: 64)]) func metricNames(_ text: String) throws {
        #expect(try MetricName(text).text == text)
        #expect(try Array(text.utf8).withUnsafeBytes { try MetricName(bytes: $0) } == MetricName(text))
    }

    @Test(arguments: [
        ("", DomainError.Code.empty), (String(repeating: "é", count: 65), .tooLong), ("a\tb", .invalidCharacter),
        ("\u{7F}", .invalidCharacter),
        ("a\u{85}", .invalidCharacter), ("\0", .invalidCharacter),
    ]) func wrongMetricNames(_ text: String, _ code: DomainError.Code) {
        #expect(#expect(throws: DomainError.self) { try MetricName(text) }?.code == code)
    }

    @Test func metricIdentityIsItsBytes() throws {
        let (composed, decomposed) = (try MetricName("\u{E9}"), try MetricName("e\u{301}"))
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(try MetricName("a") < MetricName("b"))
    }
}
