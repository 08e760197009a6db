import Foundation
import Testing
import Wire

/// Golden vectors fix the bytes: other languages' codecs are held against the same files. After a wanted change of the format:
/// `UPDATE_GOLDEN=1 swift test --filter GoldenTests` writes them anew.
@Suite struct GoldenTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

    @Test(arguments: try GoldenCases.all()) func vector(_ golden: GoldenCase) throws {
        let encoded = try golden.message.encoded()
        let expected = golden.change(encoded)
        let (hexFile, jsonFile) = (Self.file(golden.name, "hex"), Self.file(golden.name, "json"))
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try Data(hexDump(expected).utf8).write(to: hexFile)
            try Data(golden.json.utf8).write(to: jsonFile)
        }
        let stored = bytes(hexDump: try String(contentsOf: hexFile, encoding: .utf8))
        #expect(expected == stored)
        #expect(golden.json == (try String(contentsOf: jsonFile, encoding: .utf8)))
        if golden.direction != .encode { try expectDecoding(stored, of: golden.message) }
    }

    @Test func everyFileHasItsCase() throws {
        let names = Set(try GoldenCases.all().map(\.name))
        let files = try FileManager.default.contentsOfDirectory(at: Self.folder, includingPropertiesForKeys: nil)
        #expect(Set(files.map { $0.deletingPathExtension().lastPathComponent }) == names)
        #expect(files.count == 2 * names.count)
    }

    static func file(_ name: String, _ type: String) -> URL { folder.appendingPathComponent("\(name).\(type)") }

    /// Compares the JSON forms: unlike `==`, they tell NaNs and zeros apart by their bits.
    private func expectDecoding<M: GoldenMessage>(_ stored: [UInt8], of message: M) throws {
        let decoded = try M(decoding: stored)
        #expect(JSONForm.object(decoded.form).render() == JSONForm.object(message.form).render())
    }
}
