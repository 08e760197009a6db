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
    /// Template: `/v1/devices/{id}/latest`. A placeholder is a whole segment and names a path parameter.
    public let path: String
    public let summary: String
    public let parameters: [any ParameterDeclaration]
    public let requestBody: BodySpecification?
    public let responses: [ResponseSpecification]
    /// Failures of its own; those that every route may meet are added by the documentation.
    public let errors: [ErrorCode]
    let action: Action

    public init(
        _ method: HTTPMethod, _ path: String, summary: String, parameters: [any ParameterDeclaration] = [],
        requestBody: BodySpecification? = nil, responses: [ResponseSpecification], errors: [ErrorCode] = [], handler: @escaping Handler
    ) {
        self.init(method, path, summary, parameters, requestBody, responses, errors, .task(handler))
    }

    /// A route whose answer is at hand: it runs on the network thread, so it must neither wait nor compute for long, and has no body.
    /// No initializer: a closure without `await` would choose it by itself.
    public static func immediate(
        _ method: HTTPMethod, _ path: String, summary: String, parameters: [any ParameterDeclaration] = [],
        responses: [ResponseSpecification], errors: [ErrorCode] = [], answer: @escaping ImmediateHandler
    ) -> Route {
        Route(method, path, summary, parameters, nil, responses, errors, .immediate(answer))
    }

    private init(
        _ method: HTTPMethod, _ path: String, _ summary: String, _ parameters: [any ParameterDeclaration],
        _ requestBody: BodySpecification?, _ responses: [ResponseSpecification], _ errors: [ErrorCode], _ action: Action
    ) {
        self.method = method
        self.path = path
        self.summary = summary
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
    public let help: String

    public init(contentType: String = "application/json", schema: Schema = .any, limit: Int = 65_536, help: String) {
        self.contentType = contentType
        self.schema = schema
        self.limit = limit
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

    static func parse(_ template: String) -> [Segment] {
        template.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { part in
            part.hasPrefix("{") && part.hasSuffix("}") ? .parameter(String(part.dropFirst().dropLast())) : .literal(String(part))
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
