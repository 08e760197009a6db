import Foundation
import HTTPKit
import HTTPServer
import TestSupport
import Testing

@Suite struct RowStreamTests {
    private static let columns = ["time", "value", "text"]
    private static let rows: [[RowValue]] = [
        [.string("2026-11-21T06:00:00Z"), .number(21.5), .string("plain")],
        [.integer(-7), .bool(true), .string("a,\"b\"\r\nc\u{01}é😀")],
        [.null, .number(.nan), .string("")],
    ]

    private func text(_ format: RowFormat, _ rows: [[RowValue]] = rows) async throws -> String {
        let response = HTTPResponse.stream(type: format.contentType) { writer in
            var stream = RowStream(writer, format: format, columns: Self.columns, head: [("device", .string("d\"1"))], rows: "points")
            for row in rows { try await stream.append(row) }
            try await stream.finish(tail: [("next", .null)])
        }
        return String(decoding: try await response.collectBody(), as: UTF8.self)
    }

    @Test func writesJSON() async throws {
        let text = try await text(.json)
        #expect(text.hasPrefix(#"{"device":"d\"1","points":[{"time":"2026-11-21T06:00:00Z","value":21.5,"text":"plain"},"#))
        #expect(text.hasSuffix(#"{"time":null,"value":null,"text":""}],"next":null}"# + "\n"))
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let points = try #require(object?["points"] as? [[String: Any]])
        #expect(points.count == 3)
        #expect(points[1]["text"] as? String == "a,\"b\"\r\nc\u{01}é😀")
    }

    @Test func writesNDJSON() async throws {
        let lines = try await text(.ndjson).split(separator: "\n")
        #expect(lines.count == 3)
        for line in lines { #expect(try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any]) }
    }

    @Test func writesCSV() async throws {
        #expect(
            try await text(.csv)
                == "time,value,text\r\n2026-11-21T06:00:00Z,21.5,plain\r\n-7,true,\"a,\"\"b\"\"\r\nc\u{01}é😀\"\r\n,,\"\"\r\n")
    }

    @Test func writesEmptyResults() async throws {
        #expect(try await text(.json, []) == #"{"device":"d\"1","points":[],"next":null}"# + "\n")
        #expect(try await text(.ndjson, []) == "")
        #expect(try await text(.csv, []) == "time,value,text\r\n")
    }

    @Test func writesManyRows() async throws {
        let rows = (0..<5_000).map { [RowValue.integer(Int64($0)), .number(Double($0) / 8), .string("x")] }
        let object = try JSONSerialization.jsonObject(with: Data(try await text(.json, rows).utf8)) as? [String: Any]
        #expect((object?["points"] as? [Any])?.count == 5_000)
        #expect(try await text(.csv, rows).split(separator: "\r\n").count == 5_001)
    }

    /// Every finite double comes back bit by bit.
    @Test func numbersRoundTrip() throws {
        var random = SeededRandom(seed: 3)
        let special = [0, -0.0, 1e15, 1e16, -1e22, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.1, 1 / 3, 123_456_789.123]
        for value in special + (0..<2_000).map({ _ in Double(bitPattern: random.next()) }) where value.isFinite {
            var writer = JSONWriter()
            writer.number(value)
            let text = String(decoding: writer.bytes, as: UTF8.self)
            #expect(Double(text)?.bitPattern == value.bitPattern, "\(text)")
            #expect(try JSONSerialization.jsonObject(with: Data(writer.bytes), options: .fragmentsAllowed) is NSNumber)
        }
    }
}
