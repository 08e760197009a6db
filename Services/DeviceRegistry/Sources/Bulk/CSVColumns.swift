import Domain
import JSON
import Spelling

/// What the columns of a CSV file are, by their names in any order: `id`, members of a device, `location.…`, `label:KEY`, `attr:KEY`.
struct CSVColumns: Hashable, Sendable {
    enum Column: Hashable, Sendable {
        case id
        /// A text member of a device.
        case member(String)
        /// A number or, for `place`, a text.
        case location(String)
        case label(String)
        case attribute(String)
        /// What the registry keeps: it may stand in a file and is not read.
        case ignored(String)
        /// Why a row failed before; always the first columns.
        case error(String)

        var name: String {
            switch self {
            case .id: "id"
            case .member(let name), .ignored(let name): name
            case .location(let name): "location.\(name)"
            case .label(let key): "label:\(key)"
            case .attribute(let key): "attr:\(key)"
            case .error(let name): "error:\(name)"
            }
        }
    }

    static let maximumCount = 512
    static let members = ["type", "lifecycle", "name", "model", "firmware", "parent"]
    /// What files of failed rows begin with.
    static let errors: [Column] = [.error("code"), .error("field"), .error("message")]

    let columns: [Column]
    /// The header's text behind the columns of errors, as it came.
    let header: [UInt8]

    var errorCount: Int { columns.prefix { if case .error = $0 { true } else { false } }.count }

    init(_ record: ImportRecord) throws(ImportFault) {
        func fault(_ code: ImportFault.Code, _ field: String?, _ reason: String) -> ImportFault {
            ImportFault(code: code, line: record.line, field: field, reason: reason)
        }
        guard !record.isTooLarge else {
            throw fault(.malformedFile, nil, "the line of column names has more than \(ImportRecord.maximumBytes) bytes")
        }
        let cells: [CSVText.Cell]
        do throws(CSVText.Problem) { cells = try CSVText.cells(record.bytes) } catch {
            throw fault(.malformedFile, nil, "the line of column names cannot be read: \(error.reason)")
        }
        guard cells.count <= Self.maximumCount else { throw fault(.malformedFile, nil, "a file has at most \(Self.maximumCount) columns") }
        var columns: [Column] = []
        for cell in cells {
            let name = Self.trimmed(cell.text)
            guard let column = Self.column(name) else { throw fault(.unknownColumn, name, Self.unknown(name)) }
            guard !columns.contains(column) else { throw fault(.duplicateColumn, name, "column '\(name)' stands twice") }
            if case .error = column, columns.count >= Self.errors.count || column != Self.errors[columns.count] {
                throw fault(.unknownColumn, name, "error:code, error:field and error:message stand before all other columns or not at all")
            }
            columns.append(column)
        }
        guard columns.contains(.id) else { throw fault(.missingColumn, "id", "there is no column 'id'") }
        self.columns = columns
        let errors = columns.prefix { if case .error = $0 { true } else { false } }.count
        header = errors < cells.count ? Array(record.bytes[cells[errors].start...]) : []
    }

    /// The columns of an export.
    init(_ columns: [Column]) {
        self.columns = columns
        var header: [UInt8] = []
        for (index, column) in columns.enumerated() {
            if index > 0 { header.append(0x2C) }
            CSVText.append(column.name, to: &header)
        }
        self.header = header
    }

    private static func column(_ name: String) -> Column? {
        if name == "id" { return .id }
        if members.contains(name) { return .member(name) }
        if DeviceDraft.readOnly.contains(name) { return .ignored(name) }
        if let key = suffix(name, "label:"), LabelSet.faultOfKey(key) == nil { return .label(key) }
        if let key = suffix(name, "attr:"), !key.isEmpty, !key.utf8.contains(0) { return .attribute(key) }
        if let part = suffix(name, "location."), Location.members.contains(part) { return .location(part) }
        return errors.first { $0.name == name }
    }

    private static func suffix(_ name: String, _ prefix: String) -> String? {
        name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }

    private static func unknown(_ name: String) -> String {
        let shown = "'\(name.prefix(64))'"
        if let key = suffix(name, "label:"), let reason = LabelSet.faultOfKey(key) { return "column \(shown) \(reason)" }
        let known = ["id"] + members + Location.members.map { "location.\($0)" } + ["label:KEY", "attr:KEY"]
        let near = NearestName.among(known, to: name).map { "did you mean '\($0)'?" } ?? "known are \(known.joined(separator: ", "))"
        return "there is no column \(shown); \(near)"
    }

    private static func trimmed(_ text: String) -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(text.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
