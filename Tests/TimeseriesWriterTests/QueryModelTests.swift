import Domain
import ServiceKit
import TestSupport
import Testing

@testable import TimeseriesWriter

@Suite("Times, durations and buckets of queries")
struct QueryModelTests {
    private static let now = Timestamp(microseconds: 1_800_000_000_000_000)

    @Test(
        arguments: [
            ("now", 1_800_000_000_000_000), ("-1h", 1_799_996_400_000_000), ("now-1h30m", 1_799_994_600_000_000),
            ("+5m", 1_800_000_300_000_000), (" 5m", 1_800_000_300_000_000), ("-500ms", 1_799_999_999_500_000), ("0", 0),
            ("1700000000", 1_700_000_000_000_000), ("1700000000123", 1_700_000_000_123_000), ("1700000000123456", 1_700_000_000_123_456),
            ("1700000000123456789", 1_700_000_000_123_456), ("-86400", -86_400_000_000), ("2026-11-21T07:00:00Z", 1_795_244_400_000_000),
            ("2026-11-21T08:00:00+01:00", 1_795_244_400_000_000), ("2026-11-21", 1_795_219_200_000_000),
        ] as [(String, Int64)]) func timesAreRead(_ text: String, _ microseconds: Int64)
    {
        #expect(TimeExpression.parse(text, now: Self.now)?.microseconds == microseconds, "\(text)")
    }

    @Test(arguments: [
        "", "yesterday", "-", "-1", "-1y", "1h", "now+", "now1h", "2026-13-01", "2026-11-21T07:00:00", "9e9", "--1h", "-1h-",
        "1700000000123456789000",
    ])
    func otherTextsAreNoTimes(_ text: String) {
        // A bare negative number is a time before 1970, the only one of these that is read.
        #expect(TimeExpression.parse(text, now: Self.now) == nil || text == "-1")
    }

    @Test(arguments: [("1s", 1_000), ("90s", 90_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("250ms", 250)] as [(String, Int64)])
    func durationsAreReadAndWritten(_ text: String, _ milliseconds: Int64) throws {
        let duration = try #require(DurationText.parse(text))
        #expect(duration == .milliseconds(milliseconds))
        #expect(DurationText.parse(DurationText.format(duration)) == duration)
    }

    @Test(arguments: ["", "0s", "1", "s", "1.5h", "-1h", "1 h", "1w", "99999999999999d", "9223372036854775807ms"])
    func otherTextsAreNoDurations(_ text: String) { #expect(DurationText.parse(text) == nil) }

    @Test func keysOrderByTimeThenNumber() {
        let keys = [(1, 9), (2, 0), (2, 1), (3, 0)].map { SampleKey(time: Timestamp(microseconds: Int64($0)), ordinal: UInt32($1)) }
        #expect(keys.shuffled().sorted() == keys)
    }

    /// Pages over several places are the same as cutting the whole, whatever their size.
    @Test(arguments: 0..<20) func pagesOfMergedPlacesAreCutsOfTheWhole(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var sources: [[StoredSample]] = [[], [], []]
        for number in 0..<60 {
            let key = SampleKey(time: Timestamp(microseconds: Int64.random(in: 0..<9, using: &random)), ordinal: 0)
            sources[Int.random(in: 0..<3, using: &random)].append(StoredSample(key: key, value: .int(Int64(number)), quality: []))
        }
        sources = sources.map { source in
            source.enumerated().sorted { ($0.element.key.time, $0.offset) < ($1.element.key.time, $1.offset) }.map(\.element)
        }
        let whole = SampleMerge.merge(sources, after: nil, limit: .max)
        #expect(whole.count == 60)
        #expect(zip(whole, whole.dropFirst()).allSatisfy { $0.key < $1.key })
        let limit = Int.random(in: 1...20, using: &random)
        var pages: [StoredSample] = []
        while true {
            // As a page is read: everything from the time of the last key on.
            let from = pages.last?.key.time ?? .earliest
            let page = SampleMerge.merge(sources.map { $0.filter { $0.key.time >= from } }, after: pages.last?.key, limit: limit)
            pages += page
            if page.count < limit { break }
        }
        #expect(pages == whole)
    }

    @Test func qualityIsNamed() {
        #expect(Quality().text == "good")
        #expect(Quality([.bad, .timeClamped]).text == "bad+time_clamped")
    }
}
