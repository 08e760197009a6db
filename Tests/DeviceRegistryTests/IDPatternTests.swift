import Domain
import Testing

@testable import DeviceRegistry

@Suite("Patterns of ids, and rates")
struct IDPatternTests {
    @Test(
        arguments: [
            ("pump-*", "pump-7", true), ("pump-*", "pump-", true), ("pump-*", "pump", false), ("*", "anything", true), ("*-a", "x-a", true),
            ("*-a", "x-b", false), ("a*a", "a", false), ("a*a", "aa", true), ("a*a", "aba", true), ("d", "d", true), ("d", "dd", false),
            ("Pump-*", "pump-7", false),
        ])
    func matches(pattern: String, id: String, isMatch: Bool) throws {
        #expect(try #require(IDPattern(pattern)).matches(try DeviceID(id)) == isMatch)
    }

    @Test(arguments: ["", "a*b*", "**", "a b", "ä*", "a/*", "a%", String(repeating: "a", count: 129)])
    func refused(text: String) { #expect(IDPattern(text) == nil) }

    @Test("a rate lets a burst through, then so many a minute, each key for itself")
    func rate() {
        let limit = RateLimit(perMinute: 60)
        let start = ContinuousClock.now
        let (one, two) = (CredentialID(number: 1), CredentialID(number: 2))
        for _ in 0..<6 { #expect(limit.take(one, now: start) == nil) }
        #expect(limit.take(one, now: start) == 1)
        #expect(limit.take(two, now: start) == nil)
        #expect(limit.take(one, now: start + .milliseconds(1_100)) == nil)
        #expect(limit.take(one, now: start + .milliseconds(1_150)) == 1)
        for _ in 0..<6 { #expect(limit.take(one, now: start + .seconds(60)) == nil, "no more than a burst is saved") }
        #expect(limit.take(one, now: start + .seconds(60)) == 1)
    }
}
