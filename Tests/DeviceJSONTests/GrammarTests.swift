import DeviceJSON
import Domain
import Foundation
import TestSupport
import Testing
import Wire

/// The reader against RFC 8259: what it takes, what it refuses, and what numbers mean.
@Suite struct GrammarTests {
    /// Wraps a JSON value so that the reader walks over it.
    private func accepts(_ value: String) -> Bool { accepts(Array(value.utf8)) }
    private func accepts(_ value: [UInt8]) -> Bool {
        reason(bytes: Array(#"{"metric":"m","value":1,"x":"#.utf8) + value + Array("}".utf8)) == nil
    }

    @Test(arguments: [
        "0", "-0", "1", "-1", "0.5", "1e5", "1E+5", "1.5e-5", "123456789012345678901234567890", "true", "false", "null", "\"\"", "\"a\"",
        "[]", "[ ]", "{}", "{ }", "[1,2]", " [ 1 , 2 ] ", "{\"a\":{\"b\":[]}}", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"\u{7f}\"",
        "\"\u{2028}\"",
        "\t\r\n 1", "\"\u{10FFFF}\"", "\"\u{FFFF}\"",
    ])
    func taken(_ value: String) { #expect(accepts(value), "\(value)") }

    @Test(arguments: [
        "", "01", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "tru", "TRUE", "nul", "[1,]", "[,1]",
        "[1 2]",
        "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "\"\t\"",
        "'a'",
        "[1}", "{\"a\":1]", "1 2", "/* c */ 1", "1,", "\"\\", "--1", "1-", "[", "{", "]", "1\u{0}",
    ])
    func refused(_ value: String) { #expect(!accepts(value), "\(value)") }

    @Test(
        arguments: [
            [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80],
            [0x80], [0xC2], [0xE2, 0x82], [0xF0, 0x9F, 0x90], [0xFF], [0xFE],
        ] as [[UInt8]])
    func badUTF8IsRefused(_ bytes: [UInt8]) {
        #expect(reason(bytes: Array(#"{"metric":"m","value":1,"x":""#.utf8) + bytes + Array(#""}"#.utf8)) == .utf8Invalid)
        #expect(reason(bytes: Array(#"{"metric":"m","value":1,"x":"\n"#.utf8) + bytes + Array(#""}"#.utf8)) == .utf8Invalid)
    }

    @Test(arguments: [#"\ud800"#, #"\udc00"#, #"\ud800\ud800"#, #"\ud800x"#, #"\ud800\n"#, #"\udc00\ud800"#])
    func loneSurrogatesAreRefused(_ escape: String) {
        #expect(reason(#"{"metric":"m","value":"\#(escape)"}"#) == .utf8Invalid)
    }

    @Test func aByteOrderMarkIsRefused() { #expect(reason("\u{FEFF}{\"metric\":\"m\",\"value\":1}") == .jsonMalformed) }

    @Test(arguments: [
        ("9223372036854775807", MetricValue.int(.max)), ("-9223372036854775808", .int(.min)), ("0", .int(0)), ("-0", .int(0)),
        ("9223372036854775808", .double(9_223_372_036_854_775_808)), ("-9223372036854775809", .double(-9_223_372_036_854_775_808)),
        ("1.0", .double(1)), ("1e2", .double(100)), ("-0.0", .double(-0.0)), ("0.1", .double(0.1)),
        ("5e-324", .double(.leastNonzeroMagnitude)),
        ("1.7976931348623157e308", .double(.greatestFiniteMagnitude)), ("2.2250738585072011e-308", .double(.leastNormalMagnitude.nextDown)),
        ("1e-400", .double(0)), ("9007199254740993.0", .double(9_007_199_254_740_992)),
        ("18446744073709551616", .double(18_446_744_073_709_551_616)),
        ("100000000000000000000000", .double(1e23)), ("0.000000000000000000000000000001", .double(1e-30)),
    ])
    func numbers(_ text: String, _ expected: MetricValue) throws {
        let value = try sample(#"{"metric":"m","value":\#(text)}"#).value
        #expect(value == expected)
        if case .double(let double) = value, case .double(let want) = expected { #expect(double.bitPattern == want.bitPattern) }
    }

    @Test func doublesAreCorrectlyRounded() throws {
        var random = SeededRandom(seed: 0x5EED_D0B1)
        for _ in 0..<5_000 {
            let text: String
            switch UInt8.random(in: 0..<4, using: &random) {
            case 0: text = "\(Double(bitPattern: random.next()))"
            case 1: text = "\(Int64.random(in: -9999...9999, using: &random)).\(UInt32.random(in: 0...999_999, using: &random))"
            case 2: text = "\(random.next())e\(Int.random(in: -330...300, using: &random))"
            default: text = "0.\(random.next())\(random.next())"
            }
            guard let expected = Double(text), expected.isFinite, !text.contains("nan") else { continue }
            let value = try sample(#"{"metric":"m","value":\#(text)}"#).value
            let double: Double
            switch value {
            case .double(let number): double = number
            case .int(let number): double = Double(number)
            default: throw Unexpected(records: 0)
            }
            #expect(double.bitPattern == expected.bitPattern, "\(text), seed \(random.seed)")
        }
    }
}

/// Seeded random documents and damage, against Foundation's reader.
@Suite struct RandomDocumentTests {
    struct Generator {
        var random: SeededRandom

        mutating func text() -> String {
            let alphabet = Array("abc xyz019_é°🐦\"\\/\n\t\u{1}").map(String.init)
            return (0..<Int.random(in: 0..<8, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
        }

        mutating func value(depth: Int) -> Any {
            switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
            case 0: return text()
            case 1: return Int.random(in: -1_000_000...1_000_000, using: &random)
            case 2: return Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / 1024
            case 3: return Bool.random(using: &random)
            case 4: return NSNull()
            case 5: return Int64(truncatingIfNeeded: random.next())
            case 6: return (0..<Int.random(in: 0..<4, using: &random)).map { _ in value(depth: depth - 1) }
            default: return object(depth: depth - 1)
            }
        }

        mutating func object(depth: Int) -> [String: Any] {
            var object: [String: Any] = [:]
            for _ in 0..<Int.random(in: 0..<4, using: &random) { object["k" + text()] = value(depth: depth) }
            return object
        }

        /// A document with a good reading among members that mean nothing.
        mutating func document() throws -> (bytes: [UInt8], metric: String, value: Any) {
            var members = object(depth: 4)
            let metric = "m" + text().filter { $0 != "\n" && $0 != "\t" && $0 != "\u{1}" }
            let scalars: [Any] = [
                text(), Int64(truncatingIfNeeded: random.next()), Double(random.next()) / 4096, Bool.random(using: &random),
            ]
            let value = scalars[Int.random(in: 0..<4, using: &random)]
            members["metric"] = metric
            members["value"] = value
            let options: JSONSerialization.WritingOptions =
                Bool.random(using: &random) ? [.prettyPrinted, .sortedKeys] : [.withoutEscapingSlashes, .sortedKeys]
            return (Array(try JSONSerialization.data(withJSONObject: members, options: options)), metric, value)
        }
    }

    @Test func whatFoundationWritesIsReadTheSame() throws {
        var generator = Generator(random: SeededRandom(seed: 0xD0C5))
        for round in 0..<2_000 {
            let (bytes, metric, value) = try generator.document()
            let samples = try read(bytes: bytes)[0].samples
            #expect(samples.count == 1)
            #expect(samples[0].metric.text == metric, "round \(round) of seed 0xD0C5")
            switch (samples[0].value, value) {
            case (.string(let read), let written as String): #expect(read == written)
            case (.int(let read), let written as Int64): #expect(read == written)
            case (.bool(let read), let written as Bool): #expect(read == written)
            case (.double(let read), let written as Double): #expect(read == written)
            case (.int(let read), let written as Double): #expect(Double(read) == written)
            default: Issue.record("round \(round): \(samples[0].value) for \(value)")
            }
        }
    }

    @Test(arguments: [
        #"{"sensor_id":"d1","type":"tempé\n\u00e9","value":-21.5e1,"unit":"C","timestamp":"2026-01-02T03:04:04Z","seq":1}"#,
        #"[{"device_id":"d1","timestamp":1767323044,"data":{"a":1,"b":{"value":true,"unit":"W"}}},{"metric":"m","value":null}]"#,
    ])
    func everyTruncationIsRefused(_ json: String) {
        let bytes = Array(json.utf8)
        for count in 0..<bytes.count { #expect(reason(bytes: Array(bytes[..<count])) != nil, "\(count) bytes") }
    }

    @Test func randomBytesNeverTrap() {
        var random = SeededRandom(seed: 0xB17E5)
        let alphabet = Array(#"{}[]:,"\ue0123456789.-+eEtrufalsn valuemetric"#.utf8) + [0, 0x1F, 0x80, 0xC3, 0xA9, 0xFF]
        var taken = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<64, using: &random)
            let bytes =
                Bool.random(using: &random) ? random.bytes(count) : (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            if reason(bytes: bytes) == nil { taken += 1 }
        }
        #expect(taken < 20)
    }

    @Test func aReaderIsUsedAgainAfterARefusal() throws {
        var reader = DeviceJSONReader()
        var buffer = TelemetryBuffer()
        let device = Array("d1".utf8)
        for (json, good) in [
            (#"{"metric":"m","value":"\u0041"}"#, true), (#"{"metric":"m","value":"\u00"#, false), (#"{"metric":"n","value":2}"#, true),
        ] {
            let bytes = Array(json.utf8)
            bytes.withUnsafeBytes { payload in
                device.withUnsafeBytes { device in
                    do {
                        try reader.read(payload, ReadingContext(device: device, now: now))
                        try reader.write(record: 0, into: &buffer)
                        #expect(good)
                    } catch { #expect(!good) }
                    reader.finish()
                }
            }
        }
        #expect(buffer.sample(at: 0).metric.text == "n")
        #expect(buffer.count == 1)
    }
}
