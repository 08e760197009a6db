import Domain
import Foundation
import TestSupport
import Testing

@testable import TimeseriesWriter

@Suite("Time zones and calendar buckets")
struct ZoneTests {
    private static let folder = "/usr/share/zoneinfo"

    private static func zone(_ name: String) throws -> ZoneRules {
        try #require(ZoneDirectory().zone(name), "the time zone data base (package tzdata) has \(name)")
    }

    private static func time(_ text: String) throws -> Int64 { try Timestamp(rfc3339: text).microseconds }

    /// Begins of the buckets of a window.
    private static func starts(_ unit: CalendarUnit, _ zone: String, _ from: String, _ to: String) throws -> [String] {
        let grid = BucketGrid.calendar(unit, try Self.zone(zone))
        let window = QueryWindow(from: try Timestamp(rfc3339: from), to: try Timestamp(rfc3339: to), now: .latest)
        var starts: [String] = []
        var time = window.from
        while time < window.to {
            let bounds = grid.bounds(of: time, in: window)
            starts.append(Timestamp(microseconds: bounds.start).rfc3339)
            #expect(bounds.end > time)
            time = bounds.end
        }
        return starts
    }

    @Test func daysHave23Or25HoursWhenClocksChange() throws {
        #expect(
            try Self.starts(.day, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z") == [
                "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z",
            ])
        #expect(
            try Self.starts(.day, "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z") == [
                "2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z",
            ])
        // Half an hour of summer time.
        #expect(
            try Self.starts(.day, "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z") == [
                "2026-04-03T13:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z",
            ])
    }

    @Test func daysWithoutMidnightBeginAtTheChange() throws {
        // Clocks went from 24:00 to 01:00.
        #expect(
            try Self.starts(.day, "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z") == [
                "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z",
            ])
        // 2011-12-30 did not happen.
        #expect(
            try Self.starts(.day, "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z") == [
                "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z",
            ])
        // Clocks went from 24:00 back to 23:00: the first of the two midnights counts.
        #expect(
            try Self.starts(.day, "America/Havana", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z") == [
                "2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z",
            ])
    }

    @Test func weeksMonthsQuartersAndYearsBeginWhereTheCalendarSays() throws {
        #expect(
            try Self.starts(.week, "America/New_York", "2026-03-04T12:00:00Z", "2026-03-18T12:00:00Z") == [
                "2026-03-02T05:00:00Z", "2026-03-09T04:00:00Z", "2026-03-16T04:00:00Z",
            ])
        #expect(
            try Self.starts(.month, "Asia/Kolkata", "2024-02-10T00:00:00Z", "2024-04-01T00:00:00Z") == [
                "2024-01-31T18:30:00Z", "2024-02-29T18:30:00Z", "2024-03-31T18:30:00Z",
            ])
        #expect(
            try Self.starts(.quarter, "UTC", "2025-11-01T00:00:00Z", "2026-04-02T00:00:00Z") == [
                "2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z",
            ])
        // Long after the last change of any table: by the rule.
        #expect(
            try Self.starts(.year, "Europe/Paris", "2098-06-01T00:00:00Z", "2100-06-01T00:00:00Z") == [
                "2097-12-31T23:00:00Z", "2098-12-31T23:00:00Z", "2099-12-31T23:00:00Z",
            ])
        #expect(try Self.starts(.day, "UTC", "1969-12-30T05:00:00Z", "1970-01-01T05:00:00Z").count == 3)
    }

    /// Foundation reads the same data base with other code.
    @Test(arguments: [
        "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
        "Africa/Casablanca", "Pacific/Apia", "Pacific/Auckland", "Africa/Cairo", "Asia/Tehran", "America/St_Johns",
    ])
    func offsetsAreThoseOfFoundation(_ name: String) throws {
        let zone = try Self.zone(name)
        let other = try #require(TimeZone(identifier: name))
        var random = SeededRandom(seed: 7)
        for _ in 0..<2_000 {
            let time = Int64.random(in: 0...4_000_000_000, using: &random)
            let expected = other.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time)))
            #expect(zone.offset(at: time) == Int64(expected), "\(name) at \(time)")
        }
    }

    @Test(arguments: ["Europe/Berlin", "Pacific/Apia", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe"])
    func everyMomentLiesInTheDayThatBeginsBeforeIt(_ name: String) throws {
        let zone = try Self.zone(name)
        var random = SeededRandom(seed: 11)
        let moments = (0..<2_000).map { _ in Int64.random(in: -2_000_000_000...4_000_000_000, using: &random) }
        for time in moments + zone.changes.flatMap({ [$0.time - 1, $0.time, $0.time + 1, $0.time + 1_800] }) {
            let day = zone.day(at: time)
            #expect(zone.start(ofDay: day) <= time && time < zone.start(ofDay: day + 1), "\(name) at \(time)")
        }
    }

    @Test func namesThatAreNoZonesAreRefused() {
        let zones = ZoneDirectory()
        for name in ["", "Europe", "Mars/Base", "../../etc/passwd", "/etc/passwd", "Europe//Berlin", "Europe/./Berlin", "zone.tab", "a\0b"]
        {
            #expect(zones.zone(name) == nil, "\(name)")
        }
        #expect(ZoneDirectory(folder: "/nowhere").zone("Europe/Berlin") == nil && !ZoneDirectory(folder: "/nowhere").isPresent)
        #expect(zones.zone("Europe/Berlin") == zones.zone("Europe/Berlin"))
    }

    @Test func brokenFilesAreRefused() throws {
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(Self.folder)/Europe/Berlin")))
        #expect(ZoneFile.parse(bytes, name: "x") != nil)
        for count in 0..<bytes.count { #expect(ZoneFile.parse(Array(bytes[..<count]), name: "x") == nil, "cut to \(count)") }
        var random = SeededRandom(seed: 3)
        var survivors = 0
        for _ in 0..<5_000 {
            var broken = bytes
            for _ in 0..<3 { broken[Int.random(in: 0..<broken.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            // Whatever is read must be safe to use.
            guard let zone = ZoneFile.parse(broken, name: "x") else { continue }
            survivors += 1
            let day = zone.day(at: 1_790_000_000)
            #expect(zone.start(ofDay: day) <= 1_790_000_000)
        }
        #expect(survivors > 0)
    }

    @Test(arguments: [
        "", "CET", "CET-", "C-1", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "<+03-3", "CET-1CEST,M3.5.0,M10.5.0/3x", "CET-999",
    ])
    func footersThatAreNoneAreRefused(_ text: String) { #expect(ZoneFooter.parse(text) == nil) }

    @Test func footersAreRead() {
        #expect(ZoneFooter.parse("<+0545>-5:45") == ZoneRule(standardOffset: 20_700, summer: nil))
        let rule = ZoneFooter.parse("IST-1GMT0,M10.5.0,M3.5.0/1")
        #expect(rule?.standardOffset == 3_600 && rule?.summer?.offset == 0 && rule?.summer?.end.secondOfDay == 3_600)
        #expect(ZoneFooter.parse("EST5EDT,60,J300/-1")?.summer?.start.day == .ordinal(60))
    }
}
