public import HTTPServer

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
    private let columns: [String]
    private var json = JSONWriter()
    private var csv: [UInt8] = []
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
        self.columns = columns
        switch format {
        case .ndjson: break
        case .csv: appendLine(columns.map { .string($0) })
        case .json:
            json.beginObject()
            for member in head { json.member(member.name, member.value) }
            json.key(rows)
            json.beginArray()
        }
    }

    /// One row, values in the order of the columns. Suspends while the client is behind.
    public mutating func append(_ values: [RowValue]) async throws {
        precondition(values.count == columns.count, "a row has one value per column")
        rowCount += 1
        switch format {
        case .csv: appendLine(values)
        case .json, .ndjson:
            json.beginObject()
            for (column, value) in zip(columns, values) { json.member(column, value) }
            json.endObject()
            if format == .ndjson { json.newline() }
        }
        if csv.count >= Self.chunk || json.bytes.count >= Self.chunk { try await flush() }
    }

    /// Ends the document. Without it the client sees an incomplete answer.
    public mutating func finish(tail: [(name: String, value: RowValue)] = []) async throws {
        if format == .json {
            json.endArray()
            for member in tail { json.member(member.name, member.value) }
            json.endObject()
            json.newline()
        }
        try await flush()
    }

    private mutating func flush() async throws {
        let bytes = format == .csv ? csv : json.takeBytes()
        csv.removeAll(keepingCapacity: true)
        try await writer.write(bytes)
    }

    private mutating func appendLine(_ values: [RowValue]) {
        for (index, value) in values.enumerated() {
            if index > 0 { csv.append(0x2C) }
            appendField(value)
        }
        csv.append(contentsOf: [0x0D, 0x0A])
    }

    private mutating func appendField(_ value: RowValue) {
        switch value {
        case .null: break
        case .bool(let value): csv.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): csv.append(contentsOf: String(value).utf8)
        case .number(let value): if value.isFinite { csv.append(contentsOf: JSONWriter.text(of: value).utf8) }
        case .string(let text):
            let mustQuote = text.isEmpty || text.utf8.contains { $0 == 0x2C || $0 == 0x22 || $0 == 0x0D || $0 == 0x0A || $0 == 0x20 }
            guard mustQuote else { return csv.append(contentsOf: text.utf8) }
            csv.append(0x22)
            for byte in text.utf8 {
                if byte == 0x22 { csv.append(0x22) }
                csv.append(byte)
            }
            csv.append(0x22)
        }
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
