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
    private let root: Node
    private let logger: Logger
    private let meter: RouteMeter?
    public let routes: RouteCollection

    public init(_ routes: RouteCollection, logger: Logger, metrics: MetricsRegistry? = nil) throws(RouterError) {
        var root = Node()
        for route in routes.routes { try root.insert(route, route.segments[...], []) }
        self.root = root
        self.routes = routes
        self.logger = logger
        meter = metrics.map { RouteMeter($0) }
    }

    /// The answer to a request; never throws. Errors without an `APIError` become 500 without detail and are logged with the request id.
    public func respond(to request: HTTPRequest) async -> HTTPResponse {
        let start = ContinuousClock.now
        let match = match(request)
        let response: HTTPResponse
        do {
            response = try await run(match, request)
        } catch {
            response = failure(error, request)
        }
        meter?.record(match.template, request.method, response.status, ContinuousClock.now - start)
        return response
    }

    /// For `HTTPServer`'s immediate handler: answers only routes that were declared so.
    public func respondImmediately(to request: HTTPRequest) -> HTTPResponse? {
        let start = ContinuousClock.now
        let match = match(request)
        guard case .found(let route, let values) = match, case .immediate(let handler) = route.action else { return nil }
        let response: HTTPResponse
        do {
            response = try handler(try context(route, values, request))
        } catch {
            response = failure(error, request)
        }
        meter?.record(match.template, request.method, response.status, ContinuousClock.now - start)
        return response
    }

    // MARK: matching

    private enum Match {
        case found(Route, [String: String])
        case otherMethods(template: String, allowed: [String])
        case none

        var template: String {
            switch self {
            case .found(let route, _): route.path
            case .otherMethods(let template, _): template
            case .none: "unmatched"
            }
        }
    }

    private func match(_ request: HTTPRequest) -> Match {
        var values: [String] = []
        guard let node = root.find(decodedSegments(request.path)[...], request.method, &values) else { return .none }
        let wanted = node.method(for: request.method)
        guard let route = node.routes[wanted] else {
            var allowed = Set(node.routes.keys.map(\.rawValue)).union(["OPTIONS"])
            if allowed.contains("GET") { allowed.insert("HEAD") }
            return .otherMethods(template: node.routes.values.map(\.path).min() ?? "", allowed: allowed.sorted())
        }
        let names = route.segments.compactMap(\.parameter)
        return .found(route, Dictionary(uniqueKeysWithValues: zip(names, values)))
    }

    /// The server has checked the escapes, so a segment that does not decode cannot come from a socket.
    private func decodedSegments(_ path: String) -> [String] {
        path.utf8.split(separator: 0x2F, omittingEmptySubsequences: false).dropFirst().map {
            percentDecoded($0, plusIsSpace: false) ?? "\u{FFFD}"
        }
    }

    private func run(_ match: Match, _ request: HTTPRequest) async throws -> HTTPResponse {
        switch match {
        case .none: throw APIError(.notFound, hint(request.path))
        case .otherMethods(_, let allowed):
            let allow: HTTPHeaders = ["Allow": allowed.joined(separator: ", ")]
            if request.method == .options { return HTTPResponse(status: 204, headers: allow) }
            throw APIError(.methodNotAllowed, "use \(allowed.joined(separator: ", "))", headers: allow)
        case .found(let route, let values):
            let context = try context(route, values, request)
            switch route.action {
            case .task(let handler): return try await handler(context)
            case .immediate(let handler): return try handler(context)
            }
        }
    }

    private func hint(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/")
            ? "no such path; paths have no slash at their end here" : "no such path; /openapi.json lists all"
    }

    private func context(_ route: Route, _ values: [String: String], _ request: HTTPRequest) throws(APIError) -> RequestContext {
        var seen: Set<String> = []
        for (name, _) in request.query {
            let isKnown = route.parameters.contains { $0.specification.location == .query && $0.specification.name == name }
            guard isKnown else {
                let known = route.parameters.map(\.specification).filter { $0.location == .query }.map(\.name)
                throw APIError(
                    .unknownParameter,
                    "there is no query parameter '\(name)' here"
                        + (known.isEmpty ? "; the route has none" : "; known are \(known.joined(separator: ", "))"), field: name)
            }
            guard seen.insert(name).inserted else {
                throw APIError(.invalidParameter, "query parameter '\(name)' is given more than once", field: name)
            }
        }
        return RequestContext(request: request, route: route, pathValues: values)
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

/// A node of the routes' trie.
private struct Node: Sendable {
    var literals: [String: Node] = [:]
    private var placeholder: [Node] = []  // none or one: a struct cannot hold itself
    /// By the word behind the colon.
    private var actions: [String: Node] = [:]
    var routes: [HTTPMethod: Route] = [:]

    init() {}

    mutating func insert(_ route: Route, _ rest: ArraySlice<Segment>, _ names: [String]) throws(RouterError) {
        guard let segment = rest.first else {
            guard routes[route.method] == nil else {
                throw RouterError(description: "\(route.method) \(route.path) is declared twice (or differs in a placeholder's name only)")
            }
            let declared = route.parameters.map(\.specification).filter { $0.location == .path }.map(\.name)
            guard Set(declared) == Set(names), declared.count == names.count, Set(names).count == names.count else {
                throw RouterError(
                    description: "\(route.method) \(route.path): placeholders \(names) and path parameters \(declared) differ")
            }
            routes[route.method] = route
            return
        }
        switch segment {
        case .literal(let text):
            var child = literals[text] ?? Node()
            try child.insert(route, rest.dropFirst(), names)
            literals[text] = child
        case .parameter(let name):
            var child = placeholder.first ?? Node()
            try child.insert(route, rest.dropFirst(), names + [name])
            placeholder = [child]
        case .action(let name, let word):
            var child = actions[word] ?? Node()
            try child.insert(route, rest.dropFirst(), names + [name])
            actions[word] = child
        }
    }

    /// `HEAD` goes where `GET` does.
    func method(for method: HTTPMethod) -> HTTPMethod { method == .head && routes[.head] == nil ? .get : method }

    /// Depth first: literals, actions, the placeholder; an empty segment never fills a placeholder. A node that does not know the method
    /// is found only when no other fits the path.
    func find(_ rest: ArraySlice<String>, _ wanted: HTTPMethod, _ values: inout [String]) -> Node? {
        guard let segment = rest.first else { return routes.isEmpty ? nil : self }
        if let found = literals[segment]?.find(rest.dropFirst(), wanted, &values) { return found }
        var second: (node: Node, values: [String])?
        for (child, value) in candidates(segment) {
            var taken = values + [value]
            guard let found = child.find(rest.dropFirst(), wanted, &taken) else { continue }
            guard found.routes[found.method(for: wanted)] == nil else {
                values = taken
                return found
            }
            second = second ?? (found, taken)
        }
        if let second { values = second.values }
        return second?.node
    }

    private func candidates(_ segment: String) -> [(Node, String)] {
        guard !segment.isEmpty else { return [] }
        var found = placeholder.map { ($0, segment) }
        if let colon = segment.lastIndex(of: ":"), colon > segment.startIndex,
            let child = actions[String(segment[segment.index(after: colon)...])]
        {
            found.insert((child, String(segment[..<colon])), at: 0)
        }
        return found
    }
}
