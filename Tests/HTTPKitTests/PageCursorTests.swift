import HTTPKit
import TestSupport
import Testing

@Suite struct PageCursorTests {
    @Test(arguments: [[], [""], ["a"], ["2026-11-21T06:00:00Z", "17", "ünï"], ["", "", "x"]])
    func comesBack(fields: [String]) throws {
        let text = PageCursor(fields: fields).text(scope: "series")
        #expect(text.utf8.allSatisfy { $0 == 0x2D || $0 == 0x5F || ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x7A) })
        #expect(try PageCursor(text, scope: "series").fields == fields)
    }

    @Test func findsEveryChangedCharacter() throws {
        let text = Array(PageCursor(fields: ["1234567", "abc"]).text(scope: "series"))
        for index in text.indices {
            for replacement in "Aa0-_=. " where replacement != text[index] {
                var changed = text
                changed[index] = replacement
                #expect(throws: APIError.self) { try PageCursor(String(changed), scope: "series") }
            }
        }
    }

    @Test func findsCutsForeignScopesAndNoise() {
        let text = PageCursor(fields: ["1234567", "abc"]).text(scope: "series")
        for length in 0..<text.count { #expect(throws: APIError.self) { try PageCursor(String(text.prefix(length)), scope: "series") } }
        #expect(throws: APIError.self) { try PageCursor(text, scope: "devices") }
        #expect(throws: APIError.self) { try PageCursor(text + "A", scope: "series") }
        #expect(throws: APIError.self) { try PageCursor(String(repeating: "A", count: 100_000), scope: "series") }
        var random = SeededRandom(seed: 5)
        for _ in 0..<1_000 {
            let noise = String(decoding: random.bytes(Int.random(in: 0...64, using: &random)).map { $0 & 0x7F }, as: UTF8.self)
            #expect(throws: APIError.self) { try PageCursor(noise, scope: "series") }
        }
    }

    @Test func codeIsInvalidCursor() {
        let error = #expect(throws: APIError.self) { try PageCursor("!", scope: "series") }
        #expect(error?.code == .invalidCursor && error?.status == 400)
    }
}
