public import HTTPServer

/// One operation of a service's HTTP API, declared once: the router, `/openapi.json` and the README's table are made from it.
public struct Route: Sendable {
    public typealias Handler = @Sendable (RequestContext) async throws -> HTTPResponse
    public typealias ImmediateHandler = @Sendable (RequestContext) throws -> HTTPResponse

    enum Action: Sendable {
        case task(Handler)
        case immediate(ImmediateHandler)
    }

    public let method: HTTPMethod
    /// Template: `/v1/devices/{id}/latest`. A placeholder is a whole segment and names a path parameter; an action may follow it:
    /// `/v1/devices/{id}:purge`.
    public let path: String
    public let summary: String
    public let access: Access
    public let parameters: [any ParameterDeclaration]
    public let requestBody: BodySpecification?
    public let responses: [ResponseSpecification]
    /// Failures of its own; those that every route may meet are added by the documentation.
    public let errors: [ErrorCode]
    let action: Action

    public init(
        _ method: HTTPMethod, _ path: String, summary: String, access: Access, parameters: [any ParameterDeclaration] = [],
        requestBody: BodySpecification? = nil, responses: [ResponseSpecification], errors: [ErrorCode] = [], handler: @escaping Handler
    ) {
        self.init(method, path, summary, access, parameters, requestBody, responses, errors, .task(handler))
    }

    /// A route whose answer is at hand: it runs on the network thread, so it must neither wait nor compute for long, and has no body.
    /// No initializer: a closure without `await` would choose it by itself.
    public static func immediate(
        _ method: HTTPMethod, _ path: String, summary: String, access: Access, parameters: [any ParameterDeclaration] = [],
        responses: [ResponseSpecification], errors: [ErrorCode] = [], answer: @escaping ImmediateHandler
    ) -> Route {
        Route(method, path, summary, access, parameters, nil, responses, errors, .immediate(answer))
    }

    private init(
        _ method: HTTPMethod, _ path: String, _ summary: String, _ access: Access, _ parameters: [any ParameterDeclaration],
        _ requestBody: BodySpecification?, _ responses: [ResponseSpecification], _ errors: [ErrorCode], _ action: Action
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.access = access
        self.parameters = parameters
        self.requestBody = requestBody
        self.responses = responses
        self.errors = errors
        self.action = action
    }

    var segments: [Segment] { Segment.parse(path) }
}

/// What a route reads.
public struct BodySpecification: Sendable {
    public let contentType: String
    public let schema: Schema
    /// In bytes; more is answered with 413.
    public let limit: Int
    /// Set: the handler reads the body piece by piece, up to `limit`, and may take so long between two pieces and for its answer.
    public let patience: Duration?
    public let help: String

    public init(
        contentType: String = "application/json", schema: Schema = .any, limit: Int = 65_536, patience: Duration? = nil, help: String
    ) {
        self.contentType = contentType
        self.schema = schema
        self.limit = limit
        self.patience = patience
        self.help = help
    }
}

/// What a route answers when all goes well.
public struct ResponseSpecification: Sendable {
    public let status: Int
    /// Nil without a body.
    public let contentType: String?
    public let schema: Schema
    public let help: String

    public init(_ status: Int = 200, contentType: String? = "application/json", schema: Schema = .any, help: String) {
        self.status = status
        self.contentType = contentType
        self.schema = schema
        self.help = help
    }
}

enum Segment: Hashable {
    case literal(String)
    case parameter(String)
    /// A placeholder with a word behind a colon; what comes before the segment's last colon is the value.
    case action(parameter: String, word: String)

    static func parse(_ template: String) -> [Segment] {
        template.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { part in
            guard part.hasPrefix("{"), let end = part.firstIndex(of: "}") else { return .literal(String(part)) }
            let name = String(part[part.index(after: part.startIndex)..<end])
            let rest = part[part.index(after: end)...]
            if rest.isEmpty { return .parameter(name) }
            return rest.hasPrefix(":") ? .action(parameter: name, word: String(rest.dropFirst())) : .literal(String(part))
        }
    }

    /// The path parameter that it stands for.
    var parameter: String? {
        switch self {
        case .literal: nil
        case .parameter(let name), .action(let name, _): name
        }
    }
}

/// Routes in the order of the documentation.
public struct RouteCollection: Sendable, ExpressibleByArrayLiteral {
    public private(set) var routes: [Route]

    public init(_ routes: [Route] = []) { self.routes = routes }
    public init(arrayLiteral elements: Route...) { routes = elements }

    public mutating func add(_ route: Route) { routes.append(route) }
    public mutating func add(_ other: RouteCollection) { routes.append(contentsOf: other.routes) }

    public static func + (left: RouteCollection, right: RouteCollection) -> RouteCollection { RouteCollection(left.routes + right.routes) }
}
