import Foundation
import Testing

/// The examples of FORMAT.md are the golden vectors, byte for byte.
@Suite struct FormatPageTests {
    @Test func examples() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("Shared/Wire/FORMAT.md"), encoding: .utf8)
        var names: [String] = []
        for section in page.components(separatedBy: "<!-- golden: ").dropFirst() {
            let name = String(section.prefix { $0 != " " })
            names.append(name)
            let block = section.components(separatedBy: "```\n")[1]
            let expected = bytes(hexDump: try String(contentsOf: GoldenTests.file(name, "hex"), encoding: .utf8))
            #expect(block.split(separator: "\n").flatMap { leadingBytes($0) } == expected, "\(name)")
        }
        #expect(
            Set(names) == [
                "single-decimal", "single-sequence", "columns-reading", "columns-regular", "event-offline", "dead-letter-origin",
                "chunk-steady", "chunk-sums", "device-full", "device-type",
            ])
    }

    /// The bytes at the start of a line, up to its first word that is none.
    private func leadingBytes(_ line: Substring) -> [UInt8] {
        let words = line.split(separator: " ")
        return words.prefix { $0.count == 2 && UInt8($0, radix: 16) != nil }.compactMap { UInt8($0, radix: 16) }
    }
}
