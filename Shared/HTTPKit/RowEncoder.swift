public import Domain
import JSON

/// Turns rows of fixed columns into bytes: a JSON object, the same followed by a line feed, or a line of CSV (RFC 4180, CR LF; null is an
/// empty field). What is the same in every row is made once.
public struct RowEncoder: Sendable {
    public let format: RowFormat
    private let columns: [String]
    /// What stands before each value.
    private let marks: [[UInt8]]
    private let end: [UInt8]
    private var column = 0
    /// The first values of every row to come, and how many they are.
    private var constants: [UInt8] = []
    private var constantCount = 0

    /// - Parameter constants: columns before the others whose values are set apart, with `begin`.
    public init(format: RowFormat, columns: [String], constants: [String] = []) {
        self.format = format
        self.columns = constants + columns
        let names = constants + columns
        switch format {
        case .csv:
            marks = names.indices.map { $0 == 0 ? [] : [0x2C] }
            end = [0x0D, 0x0A]
        case .json, .ndjson:
            marks = names.enumerated().map { index, name in
                var mark: [UInt8] = [index == 0 ? 0x7B : 0x2C]
                JSONText.append(name, to: &mark)
                return mark + [0x3A]
            }
            end = format == .json ? [0x7D] : [0x7D, 0x0A]
        }
    }

    /// The line of column names; nothing for the other formats.
    public func header() -> [UInt8] {
        guard format == .csv else { return [] }
        var line: [UInt8] = []
        for (index, name) in columns.enumerated() {
            if index > 0 { line.append(0x2C) }
            Self.appendField(name, to: &line)
        }
        return line + end
    }

    /// Sets the values of the constant columns for the rows to come.
    public mutating func begin(_ values: [RowValue]) {
        (column, constantCount) = (0, 0)
        var bytes: [UInt8] = []
        for value in values { append(value, to: &bytes) }
        constants = bytes
        (column, constantCount) = (0, column)
    }

    /// The next value of the row.
    public mutating func append(_ value: RowValue, to bytes: inout [UInt8]) {
        mark(&bytes)
        format == .csv ? Self.appendCSV(value, to: &bytes) : JSONWriter.append(value, to: &bytes)
    }

    /// A time as RFC 3339.
    public mutating func append(_ time: Timestamp, to bytes: inout [UInt8]) {
        mark(&bytes)
        if format != .csv { bytes.append(0x22) }
        time.appendRFC3339(to: &bytes)
        if format != .csv { bytes.append(0x22) }
    }

    /// To be called once every column has its value.
    public mutating func endRow(_ bytes: inout [UInt8]) {
        precondition(column == columns.count, "a row has one value per column")
        bytes.append(contentsOf: end)
        column = 0
    }

    private mutating func mark(_ bytes: inout [UInt8]) {
        if column == 0, constantCount > 0 {
            bytes.append(contentsOf: constants)
            column = constantCount
        }
        bytes.append(contentsOf: marks[column])
        column += 1
    }

    private static func appendCSV(_ value: RowValue, to bytes: inout [UInt8]) {
        switch value {
        case .null: break
        case .number(let value) where !value.isFinite: break
        case .string(let text): appendField(text, to: &bytes)
        default: JSONWriter.append(value, to: &bytes)
        }
    }

    private static func appendField(_ text: String, to bytes: inout [UInt8]) {
        let mustQuote = text.isEmpty || text.utf8.contains { $0 == 0x2C || $0 == 0x22 || $0 == 0x0D || $0 == 0x0A || $0 == 0x20 }
        guard mustQuote else { return bytes.append(contentsOf: text.utf8) }
        bytes.append(0x22)
        for byte in text.utf8 {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }
}

extension JSONWriter {
    /// One value as JSON text.
    static func append(_ value: RowValue, to bytes: inout [UInt8]) {
        switch value {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value): bytes.append(contentsOf: text(of: value).utf8)
        case .string(let value): JSONText.append(value, to: &bytes)
        }
    }
}
