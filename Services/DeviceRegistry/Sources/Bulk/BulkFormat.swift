/// How a file of devices is written.
enum BulkFormat: String, CaseIterable, Sendable {
    /// RFC 4180 with a line of column names.
    case csv
    /// One array of objects.
    case json
    /// One object a line.
    case ndjson

    var contentType: String {
        switch self {
        case .csv: "text/csv"
        case .json: "application/json"
        case .ndjson: "application/x-ndjson"
        }
    }

    /// - Parameter mediaType: in lower case, without parameters.
    init?(mediaType: String) {
        switch mediaType {
        case "text/csv", "application/csv": self = .csv
        case "application/json": self = .json
        case "application/x-ndjson", "application/ndjson", "application/jsonl": self = .ndjson
        default: return nil
        }
    }
}

/// One record of an imported file, as it came.
struct ImportRecord: Hashable, Sendable {
    /// At which it begins; the first line is 1. Of a JSON array, whose elements may share a line: the element, the first is 1.
    let line: Int
    /// Without the line break at its end; empty when it was too large to keep.
    let bytes: [UInt8]
    let isTooLarge: Bool

    static let maximumBytes = 65_536

    init(line: Int, bytes: [UInt8], isTooLarge: Bool = false) {
        self.line = line
        self.bytes = bytes
        self.isTooLarge = isTooLarge
    }
}

/// Why a file cannot be read on from some place. What came before it stands.
struct ImportFault: Error, Hashable, Sendable {
    enum Code: String, CaseIterable, Sendable {
        case malformedFile = "malformed_file"
        case unknownColumn = "unknown_column"
        case duplicateColumn = "duplicate_column"
        case missingColumn = "missing_column"
        case tooManyRows = "too_many_rows"
    }

    let code: Code
    let line: Int
    /// The column at fault.
    var field: String?
    let reason: String
}
