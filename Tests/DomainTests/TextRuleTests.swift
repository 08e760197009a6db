import Domain
import Testing

@Suite struct TextRuleTests {
    private func isText(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { TextRule.isText($0) } }
    private func isName(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { TextRule.isName($0) } }

    /// Against the standard library's own decoder, for every pair of bytes and the borders of what longer sequences allow.
    @Test func agreesWithTheStandardLibrary() {
        let borders: [UInt8] = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
        for first in UInt8.min...UInt8.max {
            compare([first])
            for second in UInt8.min...UInt8.max { compare([first, second]) }
            guard first >= 0xE0 else { continue }
            for second in borders {
                for third in borders {
                    compare([first, second, third])
                    for fourth: UInt8 in [0x41, 0x80, 0xBF, 0xC0] { compare([first, second, third, fourth]) }
                }
            }
        }
    }

    private func compare(_ bytes: [UInt8]) {
        let isWellFormed = String(validating: bytes, as: UTF8.self) != nil
        let expected = isWellFormed && !bytes.contains(0)
        if isText(bytes) != expected { Issue.record("\(bytes)") }
    }

    @Test func controlCharacters() {
        for scalar in (0...0xFF).compactMap({ Unicode.Scalar($0 as UInt32) }) {
            let bytes = Array(String(Character(scalar)).utf8)
            let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
            #expect(isName(bytes) == !isControl)
            #expect(isText(bytes) == (scalar.value != 0))
        }
    }

    @Test func emptyIsFine() {
        #expect(isText([]))
        #expect(TextRule.isName(UnsafeRawBufferPointer(start: nil, count: 0)))
    }
}
