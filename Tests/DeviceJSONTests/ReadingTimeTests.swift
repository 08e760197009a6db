import DeviceJSON
import Domain
import Testing
import Wire

@Suite struct ReadingTimeTests {
    private func time(_ text: String) throws -> (Int64, Quality) {
        let sample = try sample(#"{"metric":"m","value":1,"timestamp":\#(text)}"#)
        return (sample.time.microseconds, sample.quality)
    }

    @Test(
        arguments: [
            ("1767323044", 1_767_323_044_000_000),
            ("1767323044.123456789", 1_767_323_044_123_456),
            ("1.767323044e9", 1_767_323_044_000_000),
            ("1767323044123", 1_767_323_044_123_000),
            ("1767323044123.5", 1_767_323_044_123_500),
            ("1767323044123456", 1_767_323_044_123_456),
            ("1767323044123456789", 1_767_323_044_123_456),
            (#""1767323044123""#, 1_767_323_044_123_000),
            (#""2026-01-02T03:04:04Z""#, 1_767_323_044_000_000),
            (#""2026-01-02T04:04:04.25+01:00""#, 1_767_323_044_250_000),
        ] as [(String, Int64)])
    func unitsAreToldApart(_ text: String, _ expected: Int64) throws {
        let (microseconds, quality) = try time(text)
        #expect(microseconds == expected)
        #expect(quality == [])
    }

    @Test(arguments: ["0", "-1", "1", "1e300", "-1e300", "123456789012345678901234567890", "1767323044e6", #""1999-01-01T00:00:00Z""#])
    func farOffIsClampedAndFlagged(_ text: String) throws {
        let (microseconds, quality) = try time(text)
        let limits = ReadingLimits()
        let edges = [now.microseconds - limits.maximumAge, now.microseconds + limits.maximumAhead]
        // 1767323044e6 is a time in microseconds, and a good one.
        if text == "1767323044e6" {
            #expect(microseconds == 1_767_323_044_000_000)
        } else {
            #expect(edges.contains(microseconds))
            #expect(quality == .timeClamped)
        }
    }

    @Test func theEdgesThemselvesAreGood() throws {
        let limits = ReadingLimits()
        for edge in [now.microseconds - limits.maximumAge, now.microseconds + limits.maximumAhead] {
            #expect(try time("\(edge)").0 == edge)
            #expect(try time("\(edge)").1 == [])
        }
        #expect(try time("\(now.microseconds + limits.maximumAhead + 1)").1 == .timeClamped)
    }

    @Test func missingMeansNow() throws {
        for json in [#"{"metric":"m","value":1}"#, #"{"metric":"m","value":1,"ts":null}"#] {
            #expect(try sample(json).time == now)
            #expect(try sample(json).quality == .timeAssigned)
        }
        let replayed = try read(#"{"metric":"m","value":1}"#, retained: true)[0].samples[0]
        #expect(replayed.quality == [.timeAssigned, .uncertain])
        let dated = try read(#"{"metric":"m","value":1,"time":1767323044}"#, retained: true)[0].samples[0]
        #expect(dated.quality == [])
    }
}

@Suite struct ReadingSequenceTests {
    @Test func oneReading() throws {
        #expect(
            try read(#"{"metric":"m","value":1,"seq":7,"stream":"18446744073709551615"}"#)[0].sequence
                == StreamSequence(stream: .max, first: 7))
        #expect(try read(#"{"metric":"m","value":1,"seq":"7"}"#)[0].sequence == StreamSequence(stream: 0, first: 7))
        #expect(try read(#"{"metric":"m","value":1,"stream":7}"#)[0].sequence == nil)
        #expect(try read(#"{"data":{"a":1,"b":2},"seq":9}"#)[0].sequence == StreamSequence(stream: 0, first: 9, scope: .batch))
        let most = UInt64(Int64.max) - 1
        #expect(try read(#"{"metric":"m","value":1,"seq":\#(most)}"#)[0].sequence?.first == most)
    }

    @Test func propertiesWin() throws {
        let json = #"{"metric":"m","value":1,"seq":7,"stream":3}"#
        #expect(try read(json, stream: 8)[0].sequence == StreamSequence(stream: 8, first: 7))
        #expect(try read(json, sequence: 9)[0].sequence == StreamSequence(stream: 3, first: 9))
        #expect(try read(json, stream: 8, sequence: 9)[0].sequence == StreamSequence(stream: 8, first: 9))
        #expect(
            try read(#"[{"metric":"m","value":1},{"metric":"n","value":1}]"#, sequence: 5)[0].sequence
                == StreamSequence(stream: 0, first: 5))
    }

    @Test func consecutiveReadingsAreOneRecord() throws {
        let records = try read(
            #"[{"metric":"a","value":1,"seq":5},{"metric":"b","value":2,"seq":6},{"metric":"a","value":3,"seq":7}]"#)
        #expect(records.count == 1)
        #expect(records[0].sequence == StreamSequence(stream: 0, first: 5, scope: .sample))
        #expect(records[0].samples.map(\.metric.text) == ["a", "b", "a"])
    }

    @Test func neighboursOfOneNumberAreOneReading() throws {
        let whole = try read(#"[{"metric":"t","value":21,"seq":7},{"metric":"h","value":40,"seq":7}]"#)
        #expect(whole.count == 1)
        #expect(whole[0].sequence == StreamSequence(stream: 0, first: 7))
        #expect(whole[0].samples.map(\.metric.text) == ["t", "h"])
        let mixed = try read(
            #"[{"metric":"t","value":21,"seq":7},{"metric":"h","value":40,"seq":7},{"metric":"t","value":22,"seq":8}]"#)
        #expect(mixed.map(\.samples.count) == [2, 1])
        #expect(mixed.map(\.sequence?.first) == [7, 8])
    }

    /// The second one would be dropped as a repeat of the first: better refused with a reason than lost.
    @Test func aNumberThatComesBackIsRefused() {
        let json = #"[{"metric":"t","value":1,"seq":7},{"metric":"t","value":2,"seq":8},{"metric":"h","value":3,"seq":7}]"#
        #expect(reason(json) == .sequenceRepeated)
    }

    @Test func anEmptyReadingMakesNoRecord() throws {
        let records = try read(#"[{"metric":"t","value":1,"seq":1},{"data":{},"seq":9}]"#)
        #expect(records.map(\.sequence?.first) == [1])
        #expect(reason(#"[{"data":{},"seq":1}]"#) == .readingsMissing)
    }

    @Test(arguments: [
        #"[{"metric":"a","value":1,"seq":5},{"metric":"b","value":2,"seq":7}]"#,
        #"[{"metric":"a","value":1,"seq":6},{"metric":"b","value":2,"seq":5}]"#,
        #"[{"metric":"a","value":1,"seq":5,"stream":1},{"metric":"b","value":2,"seq":6,"stream":2}]"#,
        #"[{"data":{"a":1,"b":1},"seq":5},{"metric":"b","value":2,"seq":6}]"#,
        #"[{"metric":"a","value":1,"seq":5},{"metric":"b","value":2}]"#,
    ])
    func othersAreOneRecordEach(_ json: String) throws {
        let records = try read(json)
        #expect(records.count == 2)
        #expect(records[0].sequence?.first ?? 5 >= 5)
    }
}
