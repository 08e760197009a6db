import DeviceRegistry
import Foundation
import ServiceKit
import Testing

@Suite("README of the device registry")
struct ReadmeTests {
    @Test func itsTablesAreThoseOfTheCode() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let tables = try await ReadmeTables(DeviceRegistryService.blueprint)
        let problems = try tables.problems(inFile: root.appendingPathComponent("Services/DeviceRegistry/README.md").path)
        #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    }
}
