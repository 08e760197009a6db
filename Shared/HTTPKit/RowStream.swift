public import HTTPServer
internal import JSON

/// One value of a streamed row.
public enum RowValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
}

/// How rows are written.
public enum RowFormat: String, Sendable, CaseIterable {
    case json, ndjson, csv

    public var contentType: String {
        switch self {
        case .json: "application/json"
        case .ndjson: "application/x-ndjson"
        case .csv: "text/csv; charset=utf-8"
        }
    }
}

/// Streams rows to a client in constant memory.
///
/// `json` is one object: the head's members, an array of row objects, the members of `finish`. `ndjson` is one row object a line.
/// `csv` is a line of column names and a line per row (RFC 4180, CR LF); null is an empty field. The last two have no room for head and
/// tail: a client that pages through them uses a response header.
public struct RowStream {
    private let writer: HTTPBodyWriter
    private let format: RowFormat
    private var encoder: RowEncoder
    private var bytes: [UInt8] = []
    /// Bytes gathered before they are handed to the connection.
    private static let chunk = 16_384
    public private(set) var rowCount = 0

    /// - Parameters:
    ///   - head: members of the JSON object before the rows.
    ///   - rows: name of the member that holds the rows.
    public init(
        _ writer: HTTPBodyWriter, format: RowFormat, columns: [String], head: [(name: String, value: RowValue)] = [], rows: String = "rows"
    ) {
        self.writer = writer
        self.format = format
        encoder = RowEncoder(format: format, columns: columns)
        bytes = encoder.header()
        if format == .json {
            var json = JSONWriter()
            json.beginObject()
            for member in head { json.member(member.name, member.value) }
            json.key(rows)
            json.beginArray()
            bytes = json.takeBytes()
        }
    }

    /// One row, values in the order of the columns. Suspends while the client is behind.
    public mutating func append(_ values: [RowValue]) async throws {
        if format == .json, rowCount > 0 { bytes.append(0x2C) }
        rowCount += 1
        for value in values { encoder.append(value, to: &bytes) }
        encoder.endRow(&bytes)
        if bytes.count >= Self.chunk { try await flush() }
    }

    /// Ends the document. Without it the client sees an incomplete answer.
    public mutating func finish(tail: [(name: String, value: RowValue)] = []) async throws {
        if format == .json {
            bytes.append(0x5D)
            for member in tail {
                bytes.append(0x2C)
                JSONText.append(member.name, to: &bytes)
                bytes.append(0x3A)
                JSONWriter.append(member.value, to: &bytes)
            }
            bytes.append(contentsOf: "}\n".utf8)
        }
        try await flush()
    }

    private mutating func flush() async throws {
        let ready = bytes
        bytes = []
        try await writer.write(ready)
    }
}

extension JSONWriter {
    public mutating func member(_ name: String, _ value: RowValue) {
        key(name)
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .integer(let value): integer(value)
        case .number(let value): number(value)
        case .string(let value): string(value)
        }
    }
}
