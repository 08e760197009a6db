public import HTTPServer

/// One kind of failure that a client may meet. Codes are stable: programs compare them. Services add their own in extensions.
public struct ErrorCode: Sendable, Hashable {
    public let status: Int
    /// snake_case.
    public let code: String
    /// For the documentation: when it happens, and what the client can do.
    public let meaning: String

    public init(_ status: Int, _ code: String, _ meaning: String) {
        self.status = status
        self.code = code
        self.meaning = meaning
    }

    public static let invalidParameter = ErrorCode(
        400, "invalid_parameter", "A parameter is missing, malformed or out of range; `field` names it.")
    public static let unknownParameter = ErrorCode(
        400, "unknown_parameter", "The query holds a parameter that the route does not know; `field` names it.")
    public static let invalidCursor = ErrorCode(
        400, "invalid_cursor", "The cursor is not one that this route has given; start again without it.")
    public static let invalidBody = ErrorCode(
        400, "invalid_body", "The request body cannot be read; `field` names the member if one is at fault.")
    public static let unauthorized = ErrorCode(
        401, "unauthorized", "The request carries no access token that holds; `WWW-Authenticate` says more.")
    public static let insufficientScope = ErrorCode(
        403, "insufficient_scope", "The access token does not allow this; `field` names the scope that would.")
    public static let forbidden = ErrorCode(403, "forbidden", "The credentials do not allow this.")
    public static let notFound = ErrorCode(404, "not_found", "There is no such resource.")
    public static let methodNotAllowed = ErrorCode(405, "method_not_allowed", "The path knows other methods; `Allow` lists them.")
    public static let requestTimeout = ErrorCode(408, "request_timeout", "The request body did not arrive in time.")
    public static let conflict = ErrorCode(409, "conflict", "The resource was changed by someone else meanwhile.")
    public static let bodyTooLarge = ErrorCode(413, "body_too_large", "The request body is larger than the route accepts.")
    public static let unsupportedMediaType = ErrorCode(415, "unsupported_media_type", "The route does not read this Content-Type.")
    public static let tooManyRequests = ErrorCode(429, "too_many_requests", "Slow down; `Retry-After` says for how long.")
    public static let internalError = ErrorCode(500, "internal_error", "The service is at fault; its log holds the request id.")
    public static let unavailable = ErrorCode(503, "unavailable", "Something that the service needs is away; try again later.")
}

/// A failure that the client is told: thrown by handlers, rendered as problem+json (RFC 9457).
public struct APIError: Error, Sendable, Hashable, CustomStringConvertible {
    public var code: ErrorCode
    /// What failed, on what, why, what to do. Shown to the client: no internals.
    public var detail: String?
    public var field: String?
    public var headers: HTTPHeaders

    public init(_ code: ErrorCode, _ detail: String? = nil, field: String? = nil, headers: HTTPHeaders = [:]) {
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = headers
    }

    public var status: Int { code.status }

    public var description: String {
        ["\(code.status) \(code.code)", field, detail].compactMap { $0 }.joined(separator: ": ")
    }

    public func response(requestID: String) -> HTTPResponse {
        let problem = HTTPProblem(status: code.status, code: code.code, detail: detail ?? code.meaning, field: field, requestID: requestID)
        var response = problem.response
        for header in headers.fields { response.headers.add(header.name, header.value) }
        return response
    }
}
