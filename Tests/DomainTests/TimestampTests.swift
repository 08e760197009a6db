import Domain
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59.999999Z", -1), ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
        ("2000-02-29T12:34:56.789Z", 951_827_696_789_000), ("2024-12-31T23:59:59.000001Z", 1_735_689_599_000_001),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000), ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ]) func bothWays(_ text: String, _ microseconds: Int64) throws {
        #expect(Timestamp(microseconds: microseconds).rfc3339 == text)
        #expect(try Timestamp(rfc3339: text).microseconds == microseconds)
    }

    @Test(arguments: [
        ("2026-01-01t00:00:00z", 1_767_225_600_000_000), ("2026-01-01 01:00:00+01:00", 1_767_225_600_000_000),
        ("2025-12-31T18:30:00-05:30", 1_767_225_600_000_000), ("2026-01-01T00:00:00.5Z", 1_767_225_600_500_000),
        ("2026-01-01T00:00:00.1234567899Z", 1_767_225_600_123_456), ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
    ]) func otherSpellings(_ text: String, _ microseconds: Int64) throws {
        #expect(try Timestamp(rfc3339: text).microseconds == microseconds)
    }

    @Test(arguments: [
        "", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-01-32T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.5", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        "2026-1-01T00:00:00ZZ", "1900-02-29T00:00:00Z", "+026-01-01T00:00:00Z", "2026-01-01X00:00:00Z", "二026-01-01T00:00:00Z",
    ]) func notATime(_ text: String) {
        let error = #expect(throws: DomainError.self) { try Timestamp(rfc3339: text) }
        #expect(error?.code == .invalidFormat)
    }

    /// Every third day of 600 years: the calendar goes forward and reads back.
    @Test func everyDay() throws {
        var previous = ""
        for day in stride(from: Int64(-160_000), through: 60_000, by: 3) {
            let text = Timestamp(microseconds: day * 86_400_000_000).rfc3339
            if text <= previous { Issue.record("\(text) after \(previous)") }
            if try Timestamp(rfc3339: text).microseconds != day * 86_400_000_000 { Issue.record("\(text)") }
            previous = text
        }
    }

    @Test func outsideOfCalendarIsANumber() {
        #expect(Timestamp(microseconds: .max).description == "9223372036854775807")
        #expect(!Timestamp(microseconds: .min).isRepresentable)
    }

    @Test func arithmetic() {
        let time = Timestamp(microseconds: 1_000)
        #expect(time.advanced(by: .milliseconds(-2)).microseconds == -1_000)
        #expect(time.advanced(by: .seconds(Int64.max)).microseconds == .max)
        #expect(time.advanced(by: .seconds(Int64.min)).microseconds == .min)
        #expect(time.duration(to: Timestamp(microseconds: 3_000)) == .milliseconds(2))
        #expect(time < Timestamp(microseconds: 1_001))
    }
}
