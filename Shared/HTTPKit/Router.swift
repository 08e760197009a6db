public import HTTPServer
public import Logging
public import Metrics

/// Why a set of routes makes no router.
public struct RouterError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// Finds the route of a request, calls it, and turns what it throws into problem+json.
///
/// Literal segments win over actions (`{id}:purge`), which win over placeholders where they know the method. A path with a trailing slash
/// is another path than one without: it is not found. `HEAD` goes to
/// the route of `GET`, `OPTIONS` is answered with `Allow`. Query parameters that the route does not declare are refused, so that a
/// mistyped name does not silently give the default.
public struct Router: Sendable {
    private let table: RouteTable
    private let access: AccessControl
    private let logger: Logger
    private let meter: RouteMeter?
    /// Methods of routes with bodies of unusual length: the others need not be looked up.
    private let uploads: Set<HTTPMethod>
    public let routes: RouteCollection

    /// - Parameter access: asked before anything else of a request is looked at, its parameters and its body included.
    public init(
        _ routes: RouteCollection, access: AccessControl, logger: Logger, metrics: MetricsRegistry? = nil
    ) throws(RouterError) {
        let meter = metrics.map { RouteMeter($0) }
        var table = RouteTable()
        for route in routes.routes { try table.insert(RouteEntry(route, gauge: meter?.gauge(route.path))) }
        self.table = table
        self.routes = routes
        self.access = access
        uploads = Set(routes.routes.filter { $0.requestBody?.patience != nil }.map(\.method))
        self.logger = logger
        self.meter = meter
    }

    /// The answer to a request; never throws. Errors without an `APIError` become 500 without detail and are logged with the request id.
    nonisolated(nonsending) public func respond(to request: HTTPRequest) async -> HTTPResponse {
        let start = ContinuousClock.now
        let match = match(request)
        let response: HTTPResponse
        do {
            response = try await run(match, request)
        } catch {
            response = failure(error, request)
        }
        record(match, request, response, since: start)
        return response
    }

    /// For `HTTPServer`'s immediate handler: answers only routes that were declared so.
    public func respondImmediately(to request: HTTPRequest) -> HTTPResponse? {
        let start = ContinuousClock.now
        let match = match(request)
        guard case .found(let entry, let values) = match, case .immediate(let handler) = entry.route.action else { return nil }
        let response: HTTPResponse
        do {
            response = try handler(try context(entry, values, request))
        } catch {
            response = failure(error, request)
        }
        record(match, request, response, since: start)
        return response
    }

    /// For `HTTPServerConfiguration.uploads`: what the route of a request takes that reads its body piece by piece.
    public func uploadAllowance(_ method: HTTPMethod, _ path: String) -> HTTPUploadAllowance? {
        guard !uploads.isEmpty, uploads.contains(method) else { return nil }
        let request = HTTPRequest(method: method, path: path)
        guard case .found(let entry, _) = match(request), let body = entry.route.requestBody, let patience = body.patience else {
            return nil
        }
        return HTTPUploadAllowance(bytes: body.limit, patience: patience)
    }

    // MARK: matching

    private enum Match {
        /// With the decoded values of the path's placeholders, in order.
        case found(RouteEntry, [String])
        case otherMethods(template: String, allowed: [String])
        case none
    }

    private func match(_ request: HTTPRequest) -> Match {
        var values: [String] = []
        guard let entries = table.find(request.path, request.method, &values) else { return .none }
        if let entry = entries.entry(for: request.method) { return .found(entry, values) }
        var allowed = Set(entries.map(\.route.method.rawValue)).union(["OPTIONS"])
        if allowed.contains("GET") { allowed.insert("HEAD") }
        return .otherMethods(template: entries.map(\.route.path).min() ?? "", allowed: allowed.sorted())
    }

    private func record(_ match: Match, _ request: HTTPRequest, _ response: HTTPResponse, since start: ContinuousClock.Instant) {
        guard let meter else { return }
        let gauge: RouteGauge? =
            switch match {
            case .found(let entry, _): entry.gauge
            case .otherMethods(let template, _): meter.gauge(template)
            case .none: meter.gauge("unmatched")
            }
        gauge?.record(request.method, response.status, ContinuousClock.now - start)
    }

    nonisolated(nonsending) private func run(_ match: Match, _ request: HTTPRequest) async throws -> HTTPResponse {
        switch match {
        case .none: throw APIError(.notFound, hint(request.path))
        case .otherMethods(_, let allowed):
            let allow: HTTPHeaders = ["Allow": allowed.joined(separator: ", ")]
            if request.method == .options { return HTTPResponse(status: 204, headers: allow) }
            throw APIError(.methodNotAllowed, "use \(allowed.joined(separator: ", "))", headers: allow)
        case .found(let entry, let values):
            let context = try context(entry, values, request)
            switch entry.route.action {
            case .task(let handler): return try await handler(context)
            case .immediate(let handler): return try handler(context)
            }
        }
    }

    private func hint(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/")
            ? "no such path; paths have no slash at their end here" : "no such path; /openapi.json lists all"
    }

    private func context(_ entry: RouteEntry, _ values: [String], _ request: HTTPRequest) throws(APIError) -> RequestContext {
        let principal = try access.admit(request, entry, values)
        for (index, (name, _)) in request.query.enumerated() {
            guard entry.queryNames.contains(name) else {
                let known = entry.queryNames
                throw APIError(
                    .unknownParameter,
                    "there is no query parameter '\(name)' here"
                        + (known.isEmpty ? "; the route has none" : "; known are \(known.joined(separator: ", "))"), field: name)
            }
            // Few, as each is declared: what comes before a repeated one are different names.
            guard !request.query[..<index].contains(where: { $0.name == name }) else {
                throw APIError(.invalidParameter, "query parameter '\(name)' is given more than once", field: name)
            }
        }
        return RequestContext(request: request, entry: entry, principal: principal, pathValues: values, access: access)
    }

    // MARK: failures

    private func failure(_ error: any Error, _ request: HTTPRequest) -> HTTPResponse {
        let known: APIError? =
            switch error {
            case let error as APIError: error
            case let error as HTTPBodyError: APIError(error)
            case is CancellationError: APIError(.unavailable, "the request was cancelled")
            default: nil
            }
        if let known, known.status < 500 || error is CancellationError { return known.response(requestID: request.id) }
        logger.error(
            "request failed",
            metadata: [
                "requestId": request.id, "method": request.method.rawValue, "path": request.path, "error": "\(error)",
            ])
        return (known ?? APIError(.internalError)).response(requestID: request.id)
    }
}
