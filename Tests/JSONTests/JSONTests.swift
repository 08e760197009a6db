import JSON
import TestSupport
import Testing

@Suite("JSON values")
struct JSONTests {
    static func random(_ random: inout SeededRandom, depth: Int = 0) -> JSONValue {
        switch Int.random(in: 0...(depth < 4 ? 7 : 5), using: &random) {
        case 0: .null
        case 1: .bool(Bool.random(using: &random))
        case 2: .int(Int64.random(in: .min ... .max, using: &random))
        case 3: .unsigned(UInt64.random(in: UInt64(Int64.max) + 1 ... .max, using: &random))
        case 4: .double(Double(bitPattern: random.next()).isFinite ? Double(Int.random(in: -999...999, using: &random)) / 8 : 1e300)
        case 5: .string(text(&random))
        case 6: .array((0..<Int.random(in: 0...4, using: &random)).map { _ in Self.random(&random, depth: depth + 1) })
        default:
            .object(
                (0..<Int.random(in: 0...4, using: &random)).map { index in
                    JSONValue.Member(name: "\(index)" + text(&random), value: Self.random(&random, depth: depth + 1))
                })
        }
    }

    static func text(_ random: inout SeededRandom) -> String {
        let pool = [
            "a", "Z", "9", " ", "\"", "\\", "/", "\n", "\u{0}", "\u{1B}", "\u{7F}", "\u{80}", "\u{9B}", "\u{9F}", "\u{A0}", "°", "é", "漢",
            "🦅", "\u{2028}",
        ]
        return (0..<Int.random(in: 0...12, using: &random)).map { _ in pool[Int.random(in: 0..<pool.count, using: &random)] }.joined()
    }

    @Test("what is written is read back, on one line and without control characters")
    func roundTrip() throws {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2_000 {
            let value = Self.random(&random)
            let text = value.text
            #expect(try JSONReader.parse(text) == value, "seed 3: \(text)")
            #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        }
    }

    @Test("only control characters are escaped")
    func written() {
        #expect(JSONValue.string("21 °C, 3 µm\u{A0}é漢🦅").text == "\"21 °C, 3 µm\u{A0}é漢🦅\"")
        #expect(JSONValue.string("\u{80}°\u{9F}\u{7F}\n\u{1}\"\\").text == #""\u0080°\u009f\u007f\n\u0001\"\\""#)
    }

    @Test("integers and doubles are kept apart")
    func numbers() throws {
        #expect(try JSONReader.parse("21") == .int(21))
        #expect(try JSONReader.parse("21.0") == .double(21))
        #expect(try JSONReader.parse("2e1") == .double(20))
        #expect(JSONValue.double(21).text == "21.0")
        #expect(try JSONReader.parse("18446744073709551615") == .unsigned(.max))
        #expect(try JSONReader.parse("-9223372036854775808") == .int(.min))
        #expect(try JSONReader.parse("18446744073709551616") == .double(18_446_744_073_709_551_616))
    }

    @Test("escapes and surrogate pairs")
    func escapes() throws {
        #expect(try JSONReader.parse(#""\u00e9\n\/\ud83e\udd85""#) == .string("é\n/🦅"))
        #expect(throws: JSONReader.Problem.self) { try JSONReader.parse(#""\ud83e""#) }
        #expect(throws: JSONReader.Problem.self) { try JSONReader.parse(#""\udd85\ud83e""#) }
    }

    @Test(
        "what is not JSON is refused with its place",
        arguments: [
            "", " ", "{", "[1,]", "[1 2]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1 "b":2}"#, "01", "1.", ".5", "+1", "1e", "-", "tru",
            "nul",
            "NaN", "Infinity", "'a'", #""a"#, #""\x""#, #""\u12"#, "\"\u{1}\"", "1 1", "1e999", #"{"a":1,"a":2}"#, "{1:2}", "\u{FEFF}1",
        ])
    func refused(text: String) {
        do {
            _ = try JSONReader.parse(text)
            Issue.record("accepted: \(text)")
        } catch {
            #expect(error.offset <= text.utf8.count)
        }
    }

    @Test("nesting is bounded")
    func depth() throws {
        let deep = 10_000
        #expect(throws: JSONReader.Problem.self) { try JSONReader.parse(String(repeating: "[", count: deep)) }
        let allowed = JSONReader.maximumDepth - 1
        #expect(throws: Never.self) {
            try JSONReader.parse(String(repeating: "[", count: allowed) + "1" + String(repeating: "]", count: allowed))
        }
    }

    @Test("bytes that are no UTF-8, and any truncation or flip of good text, never trap")
    func anyBytes() {
        #expect(throws: JSONReader.Problem.self) { try JSONReader.parse([0x22, 0xFF, 0x22]) }
        let good = Array(#"{"a":[1,2.5,"x\u0041é"],"b":null}"#.utf8)
        var random = SeededRandom(seed: 8)
        var refused = 0
        for length in 0..<good.count where (try? JSONReader.parse(Array(good[..<length]))) == nil { refused += 1 }
        #expect(refused == good.count)
        for _ in 0..<5_000 {
            var bytes = good
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = try? JSONReader.parse(bytes)
        }
    }
}
