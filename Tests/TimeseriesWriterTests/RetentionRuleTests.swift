import Testing

@testable import TimeseriesWriter

@Suite("Rules of retention")
struct RetentionRuleTests {
    @Test func rulesAreRead() throws {
        let rule = try #require(RetentionRule("temp* raw=30d 1m=26w 1h=3y 1d=forever"))
        #expect(rule.pattern == "temp*")
        #expect(rule.days == [.raw: 30, .minutes: 182, .hours: 1_095])
        #expect(RetentionRule("* raw=1d")?.days == [.raw: 1])
    }

    @Test(
        arguments: [
            "", "temp*", "temp* raw", "temp* raw=", "temp* raw=5", "temp* raw=5h", "temp* raw=0d", "temp* raw=-1d", "temp* 5m=1d",
            "temp* raw=1d raw=2d", "temp* raw=2d 1m=1d", "temp* raw=forever 1d=9d", "temp* raw=99999999999y", "temp* raw=1d=2d",
        ]) func whatIsNoRuleIsRefused(text: String)
    {
        #expect(RetentionRule(text) == nil)
        #expect(text.isEmpty || RetentionRules([text]) == nil)
    }

    @Test(
        arguments: [
            ("*", "", true), ("*", "anything", true), ("a", "a", true), ("a", "ab", false), ("a*", "a", true), ("a*", "ba", false),
            ("*a", "ba", true), ("*a", "ab", false), ("a*c", "abc", true), ("a*c", "abcd", false), ("*b*", "abc", true),
            ("a*b*c", "axbxbc", true), ("**a**", "xay", true), ("a*b", "acd", false), ("", "a", false), ("grün*", "grün/1", true),
        ]) func starsStandForAnyText(pattern: String, metric: String, fits: Bool) throws
    {
        guard !pattern.isEmpty else { return #expect(RetentionRule(" raw=1d") == nil) }
        #expect(try #require(RetentionRule("\(pattern) raw=1d")).fits(metric) == fits)
    }

    @Test func theFirstRuleThatFitsDecides() throws {
        let rules = try #require(RetentionRules(["temp raw=1d", "temp* raw=2d", "x raw=3d"]))
        #expect(["temp", "temperature", "x", "level"].map { rules.index(for: $0) } == [0, 1, 2, nil])
        #expect(!rules.isEmpty)
        #expect(try #require(RetentionRules(["* raw=forever"])).isEmpty)
        #expect(RetentionRules().isEmpty)
    }
}
