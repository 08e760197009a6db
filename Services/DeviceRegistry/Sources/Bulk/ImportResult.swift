import JSON

/// What an import does with rows.
enum ImportMode: String, CaseIterable, Sendable {
    /// Only devices that do not exist yet; a row that says of one what it is already changes nothing.
    case create
    /// Makes the device or changes it.
    case upsert
    /// Only devices that exist.
    case update
}

/// Which devices of a file get a secret.
enum SecretIssue: String, CaseIterable, Sendable {
    case none
    /// Those that have no credential that holds.
    case missing
    /// Also those whose credentials nobody has ever used: these are revoked. For a file whose results were lost.
    case renew
}

/// A credential that an import has made, and its secret, shown this once.
struct IssuedSecret: Hashable, Sendable {
    let credential: CredentialID
    let secret: String
}

/// What became of one row.
struct RowResult: Hashable, Sendable {
    enum Outcome: Hashable, Sendable {
        case created, updated, unchanged
        case failed(RowFault)

        var name: String {
            switch self {
            case .created: "created"
            case .updated: "updated"
            case .unchanged: "unchanged"
            case .failed: "failed"
            }
        }
    }

    let line: Int
    /// Nil when the row names none.
    let id: String?
    let outcome: Outcome
    /// Of the device, at the first of its rows.
    var issued: IssuedSecret?

    var fault: RowFault? { if case .failed(let fault) = outcome { fault } else { nil } }
}

/// How many rows came to what.
struct ImportCounts: Hashable, Sendable {
    var created: Int64 = 0
    var updated: Int64 = 0
    var unchanged: Int64 = 0
    var failed: Int64 = 0

    var rows: Int64 { created + updated + unchanged + failed }

    mutating func add(_ outcome: RowResult.Outcome) {
        switch outcome {
        case .created: created += 1
        case .updated: updated += 1
        case .unchanged: unchanged += 1
        case .failed: failed += 1
        }
    }

    mutating func add(_ other: ImportCounts) {
        created += other.created
        updated += other.updated
        unchanged += other.unchanged
        failed += other.failed
    }

    /// In the order in which they are shown.
    var members: [JSONValue.Member] {
        [("rows", rows), ("created", created), ("updated", updated), ("unchanged", unchanged), ("failed", failed)].map {
            JSONValue.Member(name: $0, value: .int($1))
        }
    }
}

/// Which results a client wants to see.
enum ResultDetail: String, CaseIterable, Sendable {
    case all, failed, none

    /// A secret is always shown: nobody could read it later.
    func shows(_ result: RowResult) -> Bool {
        switch (self, result.outcome) {
        case (.all, _), (.failed, .failed): true
        default: result.issued != nil
        }
    }
}

/// Results as text: NDJSON, or CSV for spreadsheets.
enum ResultText {
    /// - Parameter withSecrets: of an import that issues them.
    static func columns(withSecrets: Bool) -> String {
        "line,id,outcome,code,field,message" + (withSecrets ? ",credential,secret" : "") + "\r\n"
    }

    static func append(_ result: RowResult, _ format: BulkFormat, withSecrets: Bool, to bytes: inout [UInt8]) {
        let fault = result.fault
        guard format == .csv else {
            let line = JSONValue.object([
                "line": .int(Int64(result.line)), "id": result.id.map { .string($0) }, "outcome": .string(result.outcome.name),
                "code": fault.map { .string($0.code) }, "field": fault?.field.map { .string($0) },
                "message": fault.map { .string($0.message) }, "credential": result.issued.map { .string($0.credential.text) },
                "secret": result.issued.map { .string($0.secret) },
            ])
            line.write(into: &bytes)
            bytes.append(0x0A)
            return
        }
        bytes.append(contentsOf: "\(result.line)".utf8)
        let secrets = withSecrets ? [result.issued?.credential.text, result.issued?.secret] : []
        for cell in [result.id, result.outcome.name, fault?.code, fault?.field, fault?.message] + secrets {
            bytes.append(0x2C)
            if let cell { CSVText.append(CSVGuard.guarded(cell), to: &bytes) }
        }
        bytes.append(contentsOf: [0x0D, 0x0A])
    }
}

/// A row that failed as it is given back: in the file's own format with the reason before it, ready to be mended and sent again.
enum FailureText {
    static let columns = CSVColumns.errors.map(\.name)

    /// What stands before the rows.
    static func head(_ format: BulkFormat, header: [UInt8]) -> [UInt8] {
        switch format {
        case .csv: Array("\(columns.joined(separator: ",")),".utf8) + header + [0x0D, 0x0A]
        case .json: Array("[\n".utf8)
        case .ndjson: []
        }
    }

    static func tail(_ format: BulkFormat) -> [UInt8] { format == .json ? Array("\n]\n".utf8) : [] }

    /// - Parameter skipped: cells of reasons that the record itself begins with, from an earlier time.
    static func append(_ fault: RowFault, _ record: [UInt8], _ format: BulkFormat, skipped: Int, isFirst: Bool, to bytes: inout [UInt8]) {
        switch format {
        case .csv:
            for cell in [fault.code, fault.field ?? "", fault.message] {
                if !cell.isEmpty { CSVText.append(CSVGuard.guarded(cell), to: &bytes) }
                bytes.append(0x2C)
            }
            bytes.append(contentsOf: rest(record, skipped))
            bytes.append(contentsOf: [0x0D, 0x0A])
        case .json, .ndjson:
            if format == .json, !isFirst { bytes.append(contentsOf: ",\n".utf8) }
            document(fault, record).write(into: &bytes)
            if format == .ndjson { bytes.append(0x0A) }
        }
    }

    private static func rest(_ record: [UInt8], _ skipped: Int) -> ArraySlice<UInt8> {
        guard skipped > 0, let cells = try? CSVText.cells(record), cells.count > skipped else { return record[...] }
        return record[cells[skipped].start...]
    }

    /// The row with the reason as its last member. What is no object is shown as a text, which nobody takes for a row.
    private static func document(_ fault: RowFault, _ record: [UInt8]) -> JSONValue {
        let reason = JSONValue.object([
            "code": .string(fault.code), "field": fault.field.map { .string($0) }, "message": .string(fault.message),
        ])
        var members: [JSONValue.Member]
        if let value = try? JSONReader.parse(record), let known = value.objectValue {
            members = known.filter { $0.name != ImportDialect.errorMember }
        } else {
            members = [.init(name: "text", value: .string(String(decoding: record, as: UTF8.self)))]
        }
        members.append(.init(name: ImportDialect.errorMember, value: reason))
        return .object(members)
    }
}
