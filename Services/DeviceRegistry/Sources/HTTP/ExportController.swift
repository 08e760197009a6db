import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import PostgresClient

extension ErrorCode {
    static let tooManyColumns = ErrorCode(
        422, "too_many_columns",
        "The devices carry more different labels and attributes than a CSV file has columns; use ndjson, or ask for fewer.")
}

/// `GET /v1/devices:export`: devices as a file that an import reads back.
struct ExportController: Sendable {
    let search: DeviceSearch
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection { [export] }

    /// Devices of one look at the database; no connection is held while the client reads.
    private static let page = 1_000

    private static let format = RegistryParameters.choice("format", BulkFormat.self, help: "How the file is written.")
        .defaulting(to: .csv, shown: "csv")

    private var export: Route {
        Route(
            .get, "/v1/devices:export", summary: "Devices as a file in the format of imports, ordered by id.", access: .scope(.devicesRead),
            parameters: [QueryParameters.query, Self.format],
            responses: BulkFormat.allCases.map {
                ResponseSpecification(
                    contentType: $0.contentType, help: "What an import reproduces; beside it status and last_seen, which it does not read.")
            }, errors: [.invalidQuery, .tooManyColumns, .unavailable, .databaseBusy]
        ) { context in
            let format = try context.value(Self.format)
            let conditions = [try context.deviceCondition(now: now()), "d.deleted_at IS NULL"].compactMap { $0 }
            let export = try await answering { try await prepare(format, conditions) }
            let first = try await answering { try await devices(conditions, after: nil) }
            var response = HTTPResponse.stream(type: format.contentType) { writer in
                try await write(export, conditions, first, to: writer)
            }
            response.headers["Content-Disposition"] = "attachment; filename=\"devices.\(format.rawValue)\""
            return response
        }
    }

    private func prepare(_ format: BulkFormat, _ conditions: [SQLFragment]) async throws -> DeviceExport {
        let known = try await search.exportColumns(conditions, withKeys: format == .csv, limit: CSVColumns.maximumCount)
        let export = DeviceExport(format, labels: known.labels, attributes: known.attributes, defaults: known.defaults)
        guard format != .csv || export.columns.columns.count <= CSVColumns.maximumCount else {
            throw APIError(.tooManyColumns, "a CSV file has at most \(CSVColumns.maximumCount) columns", field: "format")
        }
        return export
    }

    private func devices(_ conditions: [SQLFragment], after id: DeviceID?) async throws -> [StoredDevice] {
        var query = DeviceQuery(conditions: conditions)
        query.after = id.map { DeviceQuery.Place(value: $0.text, id: $0.text) }
        let whole = query
        return try await search.page(whole, limit: Self.page) ?? []
    }

    private func write(
        _ export: DeviceExport, _ conditions: [SQLFragment], _ first: [StoredDevice], to writer: HTTPBodyWriter
    ) async throws {
        var bytes = export.head()
        var isFirst = true
        var page = first
        while let last = page.last {
            for stored in page {
                // Cutting the answer short tells the client; a file that lacks something would not.
                guard export.append(stored, isFirst: isFirst, to: &bytes) else { throw ExportOvertaken(device: stored.device.id) }
                isFirst = false
            }
            try await writer.write(bytes)
            bytes = []
            page = page.count < Self.page ? [] : try await devices(conditions, after: last.device.id)
        }
        try await writer.write(bytes + export.tail())
    }
}

/// A device got a label or an attribute of a new name while it was being exported.
private struct ExportOvertaken: Error, CustomStringConvertible {
    let device: DeviceID
    var description: String { "device \(device) got a label or attribute that the export's columns lack; export again" }
}
