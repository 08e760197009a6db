import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON
import PostgresClient
import Synchronization

extension ErrorCode {
    static let importsBusy = ErrorCode(503, "imports_busy", "As many imports run as may run at a time; try again when one has ended.")
    static let importUnknown = ErrorCode(404, "import_unknown", "There is no such import, or it is too long ago.")
    /// What may be wrong with a whole file; rows before the place stand.
    static let fileFaults = ImportFault.Code.allCases.map {
        ErrorCode(400, $0.rawValue, "The file cannot be read on from the line that the detail tells; rows before it were taken over.")
    }
}

/// `POST /v1/devices:import`: a file of devices, read while it arrives.
struct ImportController: Sendable {
    let storage: ImportStorage
    let limits: ImportLimits
    private let slots: ImportSlots

    init(storage: ImportStorage, limits: ImportLimits) {
        (self.storage, self.limits) = (storage, limits)
        slots = ImportSlots(limit: limits.concurrent)
    }

    var routes: RouteCollection { [take] }

    private static let mode = RegistryParameters.choice(
        "mode", ImportMode.self, help: "`create` makes devices, `update` changes them, `upsert` does either."
    ).defaulting(to: .upsert, shown: "upsert")
    private static let dryRun = Parameter.boolean("dryRun", help: "Say what would happen, change nothing.").defaulting(to: false)
    private static let detail = RegistryParameters.choice("results", ResultDetail.self, help: "Which rows the answer tells of.")
        .defaulting(to: .all, shown: "all")
    private static let secrets = RegistryParameters.choice(
        "secrets", SecretIssue.self,
        help:
            "`missing` gives a secret to each device that has no credential, `renew` also to those whose credentials were never used; needs "
            + "the scope `credentials:write`, too."
    ).defaulting(to: .none, shown: "none")
    private static let resultFormat = Parameter.choice("format", of: ["ndjson", "csv"], help: "How the answer is written.")
        .defaulting(to: "ndjson")

    private var take: Route {
        Route(
            .post, "/v1/devices:import", summary: "Makes and changes devices from a file, each row on its own.",
            access: .scope(.devicesAdmin),
            parameters: [Self.mode, Self.dryRun, Self.secrets, Self.detail, Self.resultFormat],
            requestBody: BodySpecification(
                contentType: BulkFormat.csv.contentType, limit: 1 << 30, patience: .seconds(300),
                help: "CSV with a line of column names, or `application/x-ndjson`, or a JSON array; at most \(limits.rows) rows."),
            responses: [
                ResponseSpecification(
                    contentType: BulkFormat.ndjson.contentType,
                    help: "A line for each row: line, id, outcome (created, updated, unchanged, failed), code, field, message of what "
                        + "failed, credential and secret of what got one; the counts in the last line. `Location` is where the rows that failed "
                        + "are given back."
                ),
                ResponseSpecification(contentType: "text/csv; charset=utf-8", help: "The same as CSV, without the last line."),
            ], errors: [.importsBusy, .unsupportedMediaType, .noMasterKey, .unavailable] + ErrorCode.fileFaults
        ) { context in
            guard let format = context.request.headers.mediaType.flatMap(BulkFormat.init(mediaType:)) else {
                let known = BulkFormat.allCases.map(\.contentType).joined(separator: ", ")
                throw APIError(.unsupportedMediaType, "the Content-Type must be one of \(known)")
            }
            let resultFormat: BulkFormat = try context.value(Self.resultFormat) == "csv" ? .csv : .ndjson
            let (mode, isDryRun) = (try context.value(Self.mode), try context.value(Self.dryRun))
            let detail = try context.value(Self.detail)
            let secrets = try context.value(Self.secrets)
            if secrets != .none { try context.require(.credentialsWrite) }
            let slot = try slots.take()
            let author = context.author("import")
            let job = try await answering { try await storage.begin(mode, format, isDryRun: isDryRun, secrets: secrets, by: author) }
            let run = try ImportRun(
                job, format: format, detail: detail, resultFormat: resultFormat, storage: storage, limits: limits)
            return try await Self.carryOut(run, context, resultFormat, slot)
        }
    }

    private static func carryOut(
        _ run: consuming ImportRun, _ context: RequestContext, _ resultFormat: BulkFormat, _ slot: ImportSlot
    ) async throws -> HTTPResponse {
        var run = run
        do {
            // Reading a file is work for minutes: not on the threads that requests wait for.
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                for try await chunk in context.request.body { try await run.feed(chunk) }
                try await run.finish()
            }
        } catch {
            let told = try await stop(&run, error)
            throw told
        }
        let (job, counts) = (run.job, run.counts)
        let type = resultFormat == .csv ? "text/csv; charset=utf-8" : resultFormat.contentType
        let results = ResultStream(spool: run.results, tail: resultFormat == .csv ? [] : summary(job, counts), slot: slot)
        var response = HTTPResponse.stream(type: type) { try await results.write(to: $0) }
        response.headers["Location"] = "/v1/imports/\(job.id)"
        if job.secrets != .none { response.headers["Cache-Control"] = "no-store" }
        for member in counts.members {
            response.headers["Martlet-\(member.name.prefix(1).uppercased())\(member.name.dropFirst())"] = member.value.text
        }
        return response
    }

    private static func summary(_ job: ImportJob, _ counts: ImportCounts) -> [UInt8] {
        let members = [JSONValue.Member(name: "import", value: .int(job.id)), .init(name: "dry_run", value: .bool(job.isDryRun))]
        return JSONValue.object(members + counts.members).bytes + [0x0A]
    }

    /// What was taken over before stays, and the client is told how much that is.
    private static func stop(_ run: inout ImportRun, _ error: any Error) async throws -> any Error {
        let reason = (error as? ImportFault).map { "line \($0.line): \($0.reason)" } ?? "\(error)"
        await run.stop(reason)
        let stored = "\(run.counts.rows) rows before were taken over (import \(run.job.id)); sending the file again changes nothing of them"
        let place: HTTPHeaders = ["Location": "/v1/imports/\(run.job.id)"]
        switch error {
        case let fault as ImportFault:
            let code = ErrorCode(400, fault.code.rawValue, "")
            return APIError(code, "\(reason). \(stored)", field: fault.field, headers: place)
        case let error as HTTPBodyError: return APIError(error)
        case let failure as SpoolFile.Failure: return APIError(.unavailable, "\(failure). \(stored)", headers: place)
        default:
            do { return try await answering { throw error } } catch let known as APIError where known.code == .unavailable {
                return APIError(.unavailable, "\(known.detail ?? ""); \(stored)", headers: place)
            }
        }
    }
}

/// Sends results from where they were gathered.
private struct ResultStream: Sendable {
    // Safe: the import that wrote the spool is over when the answer begins, and an answer is written by one task.
    nonisolated(unsafe) let spool: SpoolFile
    let tail: [UInt8]
    /// Held until the results have left, or nobody wants them any more.
    let slot: ImportSlot

    func write(to writer: HTTPBodyWriter) async throws {
        var offset = 0
        while offset < spool.count {
            let bytes = try spool.read(at: offset)
            offset += bytes.count
            try await writer.write(bytes)
        }
        try await writer.write(tail)
    }
}

/// How many imports run.
private final class ImportSlots: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func take() throws(APIError) -> ImportSlot {
        let isFree = taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
        guard isFree else { throw APIError(.importsBusy, "\(limit) imports run already", headers: ["Retry-After": "5"]) }
        return ImportSlot { self.taken.withLock { $0 -= 1 } }
    }
}

/// One import's place, free again when the last reference goes.
private final class ImportSlot: Sendable {
    private let giveBack: @Sendable () -> Void
    init(_ giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }
    deinit { giveBack() }
}
