import AccessTokens
import HTTPKit
import HTTPServer
import JSON

/// `/v1/imports/{id}`: what became of an import, and the rows that were refused.
struct ImportsController: Sendable {
    let storage: ImportStorage

    var routes: RouteCollection { [state, failed] }

    private static let id = Parameter.integer("id", in: .path, range: 1...Int.max, help: "Import, as `Location` named it.")
    /// Rows of up to 64 KiB each.
    private static let page = 100

    private var state: Route {
        Route(
            .get, "/v1/imports/{id}", summary: "What became of an import.", access: .scope(.devicesAdmin), parameters: [Self.id],
            responses: [
                ResponseSpecification(
                    schema: .object([
                        .init("id", .integer), .init("state", .choice(["running", "finished", "stopped", "interrupted"])),
                        .init("rows", .integer), .init("created", .integer), .init("updated", .integer), .init("unchanged", .integer),
                        .init("failed", .integer),
                    ]), help: "Its state and counts; kept for a week.")
            ], errors: [.importUnknown, .unavailable]
        ) { context in .json(try await find(context).document) }
    }

    private var failed: Route {
        Route(
            .get, "/v1/imports/{id}/failed", summary: "The rows of an import that were refused, as a file to mend and send again.",
            access: .scope(.devicesAdmin),
            parameters: [Self.id],
            responses: BulkFormat.allCases.map {
                ResponseSpecification(
                    contentType: $0.contentType,
                    help: $0 == .csv
                        ? "In the import's own format: its rows as they came behind the columns error:code, error:field, error:message."
                        : "Its rows with a member `error`.")
            }, errors: [.importUnknown, .unavailable]
        ) { context in
            let state = try await find(context)
            let first = try await answering { try await storage.failures(of: state.id, after: 0, limit: Self.page) }
            var response = HTTPResponse.stream(type: state.format.contentType) { try await write(state, first, to: $0) }
            response.headers["Content-Disposition"] = "attachment; filename=\"import-\(state.id)-failed.\(state.format.rawValue)\""
            return response
        }
    }

    private func find(_ context: RequestContext) async throws -> ImportState {
        let id = Int64(try context.value(Self.id))
        guard let state = try await answering({ try await storage.state(of: id) }) else {
            throw APIError(.importUnknown, "there is no import \(id); they are kept for a week", field: "id")
        }
        return state
    }

    private func write(_ state: ImportState, _ first: [ImportFailure], to writer: HTTPBodyWriter) async throws {
        try await writer.write(FailureText.head(state.format, header: state.header))
        var page = first
        var isFirst = true
        while let last = page.last {
            var bytes: [UInt8] = []
            for failure in page {
                FailureText.append(
                    failure.fault, failure.record, state.format, skipped: state.skippedCells, isFirst: isFirst, to: &bytes)
                isFirst = false
            }
            try await writer.write(bytes)
            page = try await storage.failures(of: state.id, after: last.line, limit: Self.page)
        }
        try await writer.write(FailureText.tail(state.format))
    }
}
