import Domain
import JSON

/// Why a row was not taken over.
struct RowFault: Error, Hashable, Sendable {
    /// Stable, for programs: codes of `FieldFault` and `Refusal`, and those that only files can have.
    let code: String
    /// Member or column.
    let field: String?
    let message: String

    static let malformedRow = "malformed_row"
    static let rowTooLarge = "row_too_large"
    static let duplicateMember = "duplicate_member"
    static let wrongCellCount = "wrong_cell_count"

    init(_ code: String, _ field: String? = nil, _ message: String) {
        (self.code, self.field, self.message) = (code, field, message)
    }

    init(_ fault: FieldFault) { self.init(fault.code.rawValue, fault.field, fault.description) }
    init(_ refusal: Refusal) { self.init(refusal.code.rawValue, refusal.field, refusal.reason) }
}

/// One row of an imported file: a merge patch (RFC 7396) for the device that it names.
struct ImportRow: Hashable, Sendable {
    struct Content: Hashable, Sendable {
        let id: DeviceID
        let patch: JSONValue
    }

    let record: ImportRecord
    let content: Result<Content, RowFault>

    var line: Int { record.line }
}

/// How the records of one file are read.
enum ImportDialect: Hashable, Sendable {
    case csv(CSVColumns)
    case json

    /// The member of a row of failures that says why it failed; it may stand in a file that is sent again.
    static let errorMember = "error"
    private static let members = ["id", errorMember] + DeviceDraft.members + DeviceDraft.readOnly

    func row(_ record: ImportRecord) -> ImportRow {
        do throws(RowFault) {
            guard !record.isTooLarge else {
                throw RowFault(RowFault.rowTooLarge, nil, "the row has more than \(ImportRecord.maximumBytes) bytes")
            }
            let patch =
                switch self {
                case .csv(let columns): try Self.patch(record, columns)
                case .json: try Self.patch(record)
                }
            return ImportRow(record: record, content: .success(ImportRow.Content(id: try Self.id(patch), patch: patch)))
        } catch {
            return ImportRow(record: record, content: .failure(error))
        }
    }

    private static func patch(_ record: ImportRecord, _ columns: CSVColumns) throws(RowFault) -> JSONValue {
        let cells: [CSVText.Cell]
        do throws(CSVText.Problem) { cells = try CSVText.cells(record.bytes) } catch {
            throw RowFault(RowFault.malformedRow, nil, error.reason)
        }
        guard cells.count == columns.columns.count else {
            throw RowFault(
                RowFault.wrongCellCount, nil, "the row has \(cells.count) cells, the file has \(columns.columns.count) columns")
        }
        return CSVRow.patch(cells, columns)
    }

    /// What the registry keeps may stand in a row and is not read.
    private static func patch(_ record: ImportRecord) throws(RowFault) -> JSONValue {
        let value: JSONValue
        do throws(JSONReader.Problem) { value = try JSONReader.parse(record.bytes, maximumDepth: 16) } catch {
            if case .duplicate(let name) = error.kind { throw RowFault(RowFault.duplicateMember, name, "\(error)") }
            throw RowFault(RowFault.malformedRow, nil, "the row is not valid JSON: \(error)")
        }
        do throws(FieldFault) { _ = try ObjectReader(value, known: members) } catch { throw RowFault(error) }
        let dropped = [errorMember] + DeviceDraft.readOnly
        return .object((value.objectValue ?? []).filter { !dropped.contains($0.name) })
    }

    private static func id(_ patch: JSONValue) throws(RowFault) -> DeviceID {
        guard let value = patch["id"], value != .null else { throw RowFault(FieldFault(.missingMember, "id", "is missing")) }
        guard case .string(let text) = value else { throw RowFault(FieldFault(.wrongType, "id", "must be a string")) }
        do throws(DomainError) {
            return try DeviceID(text)
        } catch {
            throw RowFault(FieldFault(error.code == .tooLong ? .tooLong : .invalidValue, "id", "is no device id: \(error.reason)"))
        }
    }
}
