import Foundation
import TestSupport
import Testing

@testable import MartletTool

@Suite("Lines of an input")
struct InputLinesTests {
    private func lines(_ text: String, folder: URL) throws -> [String] {
        let path = folder.appendingPathComponent("input-\(UUID().uuidString)")
        try Data(text.utf8).write(to: path)
        let descriptor = open(path.path, O_RDONLY)
        defer { close(descriptor) }
        var input = InputLines(descriptor: descriptor)
        var lines: [String] = []
        while let line = try input.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    @Test("with and without a last line end, empty ones, and longer than a read")
    func splitting() async throws {
        try await withTemporaryFolder { folder async throws in
            #expect(try lines("", folder: folder) == [])
            #expect(try lines("a", folder: folder) == ["a"])
            #expect(try lines("a\n", folder: folder) == ["a"])
            #expect(try lines("\n\nb\n", folder: folder) == ["", "", "b"])
            let long = String(repeating: "x", count: 200_000)
            #expect(try lines("a\n\(long)\nb", folder: folder) == ["a", long, "b"])
            let many = (0..<30_000).map(String.init)
            #expect(try lines(many.joined(separator: "\n") + "\n", folder: folder) == many)
        }
    }

    @Test("an endless line is refused")
    func endless() async throws {
        try await withTemporaryFolder { folder async throws in
            let text = String(repeating: "x", count: InputLines.maximumLine + 100_000)
            #expect(throws: ToolError.self) { try lines(text, folder: folder) }
        }
    }
}

@Suite("Output and figures")
struct OutputTests {
    @Test("a reader that went away ends the writing, it is no error")
    func brokenPipe() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let output = OutputLines(descriptor: ends[1])
        #expect(try output.write("first"))
        #expect(!output.isAbandoned)
        close(ends[0])
        #expect(output.isAbandoned)
        #expect(try !output.write("second"))
        close(ends[1])
    }

    @Test("quantiles lie within an eighth of the true ones")
    func quantiles() throws {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        for value in 1...100_000 as ClosedRange<Int64> { histogram.record(microseconds: value) }
        for share in [0.01, 0.1, 0.5, 0.9, 0.99, 1] {
            let found = Double(try #require(histogram.quantile(share)))
            #expect(found >= share * 100_000 * 0.999 && found <= share * 100_000 * 1.13, "\(share): \(found)")
        }
        var extremes = LatencyHistogram()
        for value in [Int64.min, 0, .max] { extremes.record(microseconds: value) }
        #expect(extremes.count == 3)
        #expect(extremes.quantile(1) != nil)
    }

    @Test("numbers are grouped", arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "-1,000")])
    func grouping(number: Int, text: String) { #expect(grouped(number) == text) }
}
