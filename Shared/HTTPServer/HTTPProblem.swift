internal import JSON

/// A problem document (RFC 9457) as every service of the platform sends it.
public struct HTTPProblem: Sendable, Hashable {
    public var status: Int
    /// Stable, snake_case, for programs: `invalid_parameter`.
    public var code: String
    /// For people: what failed, on what, why, what to do.
    public var detail: String?
    /// Name of the parameter or member of the body that is at fault.
    public var field: String?
    public var requestID: String

    public init(status: Int, code: String, detail: String? = nil, field: String? = nil, requestID: String) {
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.requestID = requestID
    }

    public var response: HTTPResponse {
        var text: [UInt8] = []
        func member(_ name: String, _ value: String) {
            text.append(contentsOf: text.isEmpty ? "{\"".utf8 : ",\"".utf8)
            text.append(contentsOf: name.utf8)
            text.append(contentsOf: "\":".utf8)
            JSONText.append(value, to: &text)
        }
        member("code", code)
        if let detail { member("detail", detail) }
        if let field { member("field", field) }
        member("requestId", requestID)
        text.append(contentsOf: ",\"status\":\(status)".utf8)
        member("title", HTTPStatus.phrase(status))
        member("type", "about:blank")
        text.append(contentsOf: "}\n".utf8)
        return HTTPResponse(status: status, headers: ["Content-Type": "application/problem+json"], body: .bytes(text))
    }
}

public enum HTTPStatus {
    /// Reason phrase of the IANA registry; "Status" for an unknown code.
    public static func phrase(_ status: Int) -> String { phrases[status] ?? "Status" }

    private static let phrases: [Int: String] = [
        200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 207: "Multi-Status",
        301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect",
        308: "Permanent Redirect",
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
        408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
        413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
        417: "Expectation Failed", 422: "Unprocessable Content", 428: "Precondition Required", 429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
        505: "HTTP Version Not Supported", 507: "Insufficient Storage",
    ]
}
