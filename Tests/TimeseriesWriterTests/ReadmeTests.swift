import Foundation
import ServiceKit
import Testing
import TimeseriesWriter

@Suite("README of the time-series writer")
struct ReadmeTests {
    @Test func itsTablesAreThoseOfTheCode() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let tables = try await ReadmeTables(TimeseriesWriterService.blueprint)
        let problems = try tables.problems(inFile: root.appendingPathComponent("Services/TimeseriesWriter/README.md").path)
        #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    }
}
