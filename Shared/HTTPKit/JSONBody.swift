public import HTTPServer
public import JSON

extension ErrorCode {
    public static let duplicateMember = ErrorCode(
        400, "duplicate_member", "An object of the body holds the same member twice; `field` names it.")
    public static let bodyTooDeep = ErrorCode(400, "body_too_deep", "The body is nested deeper than the route reads.")
}

extension RequestContext {
    /// The request body as a JSON value, read strictly: one value, no member twice, no deeper than `maximumDepth`.
    /// - Throws: `APIError` with `invalid_body`, `duplicate_member`, `body_too_deep`, or what `body()` throws.
    public func jsonValue(maximumDepth: Int = 16) async throws -> JSON.JSONValue {
        let bytes = try await body()
        do throws(JSONReader.Problem) {
            return try JSONReader.parse(bytes, maximumDepth: maximumDepth)
        } catch {
            switch error.kind {
            case .syntax: throw APIError(.invalidBody, "the body is not valid JSON: \(error)")
            case .tooDeep: throw APIError(.bodyTooDeep, "the body is \(error)")
            case .duplicate(let name): throw APIError(.duplicateMember, "\(error)", field: name)
            }
        }
    }
}

extension HTTPResponse {
    /// A JSON value on one line.
    public static func json(_ value: JSON.JSONValue, status: Int = 200) -> HTTPResponse {
        .bytes(value.bytes + [0x0A], status: status, type: "application/json")
    }
}
