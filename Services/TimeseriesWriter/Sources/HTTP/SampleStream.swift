import Domain
import HTTPKit
import HTTPServer

/// Which samples an answer covers.
struct SampleWindow: Sendable {
    var series: Int32
    var from: Timestamp
    var to: Timestamp
    var after: SampleKey?
    /// Nil: the whole window.
    var limit: Int?
}

/// Streams the samples of a window of one series, page after page, in chunks: memory is bounded by one chunk, and no connection is held
/// while the client reads.
struct SampleStream: Sendable {
    static let chunk = 2_000

    let reader: SampleReader
    let window: SampleWindow
    let format: RowFormat
    let head: [(name: String, value: RowValue)]
    /// The first chunk, read before the answer's headers are sent, so that a failing database is still a problem+json.
    let first: [StoredSample]

    init(reader: SampleReader, window: SampleWindow, format: RowFormat, head: [(name: String, value: RowValue)]) async throws {
        self.reader = reader
        self.window = window
        self.format = format
        self.head = head
        first = try await answering { try await Self.load(reader, window, after: window.after, taken: 0) }
    }

    /// Every sample: time, value, type, quality. JSON ends with the cursor of the next page.
    func samples(cursor: @escaping @Sendable (SampleKey) -> String) -> HTTPResponse {
        .stream(type: format.contentType) { writer in
            var rows = RowStream(writer, format: format, columns: ["time", "value", "type", "quality"], head: head, rows: "samples")
            var last: SampleKey?
            var taken = 0
            try await forEach { sample in
                taken += 1
                last = sample.key
                try await rows.append([
                    RowValue(sample.key.time), RowValue(sample.value), .string(sample.value.typeName), .string(sample.quality.text),
                ])
            }
            // A full page may be the last one; its successor is empty then.
            let next = taken == window.limit ? last.map { RowValue.string(cursor($0)) } : nil
            try await rows.finish(tail: [(name: "next", value: next ?? .null)])
        }
    }

    private func forEach(_ body: (StoredSample) async throws -> Void) async throws {
        var samples = first
        var taken = 0
        while !samples.isEmpty {
            for sample in samples { try await body(sample) }
            taken += samples.count
            guard samples.count == Self.chunk, taken < window.limit ?? .max else { return }
            samples = try await Self.load(reader, window, after: samples.last?.key, taken: taken)
        }
    }

    private static func load(
        _ reader: SampleReader, _ window: SampleWindow, after key: SampleKey?, taken: Int
    ) async throws -> [StoredSample] {
        let rest = window.limit.map { $0 - taken } ?? chunk
        return try await reader.samples(
            of: window.series, from: window.from, to: window.to, after: key, limit: min(chunk, rest))
    }
}
