import FoundationEssentials
public import HTTPServer

/// A request on its way through a route.
public struct RequestContext: Sendable {
    public let request: HTTPRequest
    let entry: RouteEntry
    /// Who has sent it, and may.
    public let principal: Principal
    /// Decoded values of the path's placeholders, in order.
    let pathValues: [String]
    let access: AccessControl

    public var route: Route { entry.route }

    public var requestID: String { request.id }

    /// The value of a parameter that the route declares.
    /// - Throws: `APIError` 400 `invalid_parameter` naming it.
    public func value<Value>(_ parameter: Parameter<Value>) throws(APIError) -> Value {
        let specification = parameter.specification
        let text: String? =
            switch specification.location {
            case .path: entry.placeholders.firstIndex(of: specification.name).map { pathValues[$0] }
            case .query: request.query.first { $0.name == specification.name }?.value
            case .header: request.headers[specification.name]
            }
        guard let text else {
            if let fallback = parameter.fallback { return fallback }
            throw APIError(
                .invalidParameter, "\(specification.location.rawValue) parameter '\(specification.name)' is required",
                field: specification.name)
        }
        do {
            return try parameter.parse(text)
        } catch {
            throw APIError(
                .invalidParameter, "\(specification.location.rawValue) parameter '\(specification.name)' \(error.reason)",
                field: specification.name)
        }
    }

    /// The whole request body, at most as long as the route's specification allows, of its content type.
    public func body() async throws -> [UInt8] {
        let specification = route.requestBody ?? BodySpecification(help: "")
        if let type = request.headers.mediaType, type != specification.contentType {
            throw APIError(.unsupportedMediaType, "send \(specification.contentType), not \(type)")
        }
        do {
            return try await request.body.collect(upTo: specification.limit)
        } catch {
            throw APIError(error)
        }
    }

    /// The request body as JSON.
    public func json<Value: Decodable>(_ type: Value.Type = Value.self) async throws -> Value {
        let bytes = try await body()
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw APIError(error)
        }
    }
}

extension APIError {
    /// Tells a body that could not be read.
    public init(_ error: HTTPBodyError) {
        switch error {
        case .tooLarge: self.init(.bodyTooLarge, error.description)
        case .deadline: self.init(.requestTimeout, error.description)
        case .clientLeft, .cancelled: self.init(.invalidBody, error.description)
        }
    }

    /// Tells where a JSON body is not what was expected.
    init(_ error: DecodingError) {
        let (path, reason): ([any CodingKey], String) =
            switch error {
            case .typeMismatch(let type, let context): (context.codingPath, "is not of type \(type)")
            case .valueNotFound(_, let context): (context.codingPath, "is null")
            case .keyNotFound(let key, let context): (context.codingPath + [key], "is missing")
            case .dataCorrupted(let context): (context.codingPath, context.codingPath.isEmpty ? "is not valid JSON" : "is not valid")
            @unknown default: ([], "is not what was expected")
            }
        let field = path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        self.init(.invalidBody, field.isEmpty ? "the body \(reason)" : "member '\(field)' \(reason)", field: field.isEmpty ? nil : field)
    }
}

extension HTTPResponse {
    /// A value as JSON: sorted keys, dates in ISO 8601, slashes as they are.
    public static func json(_ value: some Encodable, status: Int = 200) throws -> HTTPResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return .bytes(Array(try encoder.encode(value)) + [0x0A], status: status, type: "application/json")
    }

    /// JSON text that was written with a `JSONWriter`.
    public static func json(_ writer: consuming JSONWriter, status: Int = 200) -> HTTPResponse {
        writer.newline()
        return .bytes(writer.takeBytes(), status: status, type: "application/json")
    }
}
