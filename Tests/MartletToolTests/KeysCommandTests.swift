import Foundation
import TestSupport
import Testing

@testable import MartletTool

@Suite("martlet keys")
struct KeysCommandTests {
    @Test("a master key is for its owner alone, and is never written over")
    func create() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("master.key").path
            #expect(Martlet.run(["keys", "create-master", "--file", path], environment: [:]) == 0)
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.utf8.count == 65 && text.dropLast().allSatisfy { $0.isHexDigit })
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
            #expect(Martlet.run(["keys", "create-master", "--file", path], environment: [:]) != 0)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
            #expect(Martlet.run(["keys", "create-master", "--file", path + "/none"], environment: [:]) != 0)
        }
    }
}
