import AccessTokens
import HTTPServer

/// The API of a service as OpenAPI 3.1, in the order of its routes: the same routes give the same bytes.
public struct OpenAPIDocument: Sendable {
    public var title: String
    public var version: String
    public var summary: String
    public var routes: RouteCollection

    public init(title: String, version: String, summary: String, routes: RouteCollection) {
        self.title = title
        self.version = version
        self.summary = summary
        self.routes = routes
    }

    /// UTF-8 JSON, indented.
    public func render() -> [UInt8] {
        var bytes: [UInt8] = []
        document.append(to: &bytes)
        bytes.append(0x0A)
        return bytes
    }

    /// `GET /openapi.json` for these routes and itself, rendered once.
    public func route() -> Route {
        let placeholder = Self.route { _ in HTTPResponse(status: 200) }
        var document = self
        document.routes.add(placeholder)
        let bytes = document.render()
        return Self.route { _ in .bytes(bytes, type: "application/json") }
    }

    private static func route(_ answer: @escaping Route.ImmediateHandler) -> Route {
        .immediate(
            .get, "/openapi.json", summary: "This API as OpenAPI 3.1", access: .open,
            responses: [ResponseSpecification(help: "The document.")],
            answer: answer)
    }

    private var document: JSONValue {
        var paths: [(String, JSONValue)] = []
        for route in routes.routes {
            let operation = (route.method.rawValue.lowercased(), Self.operation(route))
            if let index = paths.firstIndex(where: { $0.0 == route.path }) {
                paths[index].1 = paths[index].1.adding(operation.0, operation.1)
            } else {
                paths.append((route.path, .object([operation])))
            }
        }
        return [
            "openapi": "3.1.0",
            "info": ["title": .string(title), "summary": .string(summary), "version": .string(version)],
            "paths": .object(paths),
            "components": [
                "schemas": ["Problem": Self.problem],
                "securitySchemes": ["token": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"]],
            ],
        ]
    }

    private static func operation(_ route: Route) -> JSONValue {
        var operation: JSONValue = ["operationId": .string(operationID(route)), "summary": .string(route.summary)]
        operation = operation.adding("security", security(route.access))
        if !route.parameters.isEmpty {
            operation = operation.adding("parameters", .array(route.parameters.map { parameter($0.specification) }))
        }
        if let body = route.requestBody {
            let content = JSONValue.object([(body.contentType, ["schema": body.schema.json])])
            let help = "\(body.help) At most \(body.limit) bytes."
            operation = operation.adding("requestBody", ["description": .string(help), "required": true, "content": content])
        }
        return operation.adding("responses", responses(route))
    }

    /// The scopes of the token that is needed; an empty list for a route that is open.
    private static func security(_ access: Access) -> JSONValue {
        .array(access.scope.map { [.object([("token", .array([.string($0.description)]))])] } ?? [])
    }

    /// `getV1DevicesByIdLatest`.
    private static func operationID(_ route: Route) -> String {
        let words = route.segments.map { segment in
            switch segment {
            case .literal(let text):
                text.split { !($0.isLetter || $0.isNumber) }.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
            case .parameter(let name): "By" + name.prefix(1).uppercased() + name.dropFirst()
            case .action(let name, let word):
                "By" + name.prefix(1).uppercased() + name.dropFirst() + word.prefix(1).uppercased() + word.dropFirst()
            }
        }
        return route.method.rawValue.lowercased() + words.joined()
    }

    private static func parameter(_ parameter: ParameterSpecification) -> JSONValue {
        var text = parameter.help
        if let allowed = parameter.allowed { text += " Allowed: \(allowed)." }
        if let shown = parameter.defaultText { text += " Default: \(shown)." }
        return [
            "name": .string(parameter.name), "in": .string(parameter.location.rawValue), "required": .bool(parameter.isRequired),
            "description": .string(text), "schema": parameter.schema.json,
        ]
    }

    private static func responses(_ route: Route) -> JSONValue {
        var responses: [(String, JSONValue)] = []
        for status in Set(route.responses.map(\.status)).sorted() {
            let variants = route.responses.filter { $0.status == status }
            let content = variants.compactMap { variant in variant.contentType.map { ($0, ["schema": variant.schema.json] as JSONValue) } }
            let answer: JSONValue = ["description": .string(variants.map(\.help).joined(separator: " "))]
            responses.append((String(status), content.isEmpty ? answer : answer.adding("content", .object(content))))
        }
        let errors = route.documentedErrors
        for status in Set(errors.map(\.status)).sorted() {
            let lines = errors.filter { $0.status == status }.map { "`\($0.code)`: \($0.meaning)" }
            responses.append(
                (
                    String(status),
                    [
                        "description": .string(lines.joined(separator: "\n")),
                        "content": ["application/problem+json": ["schema": ["$ref": "#/components/schemas/Problem"]]],
                    ]
                ))
        }
        return .object(responses)
    }

    /// RFC 9457 with the members that every service adds.
    private static let problem = Schema.object([
        .init("type", .described(.string, "about:blank")), .init("title", .described(.string, "Reason phrase of the status.")),
        .init("status", .integer), .init("code", .described(.string, "Stable, for programs.")), .init("detail", .string, isRequired: false),
        .init("field", .described(.string, "The parameter or member at fault."), isRequired: false),
        .init("requestId", .described(.string, "As in X-Request-Id and in the service's log.")),
    ]).json
}

extension Route {
    /// Its own errors and those that follow from what it declares, by status, without repeats.
    var documentedErrors: [ErrorCode] {
        var errors = errors
        if access != .open { errors += [.unauthorized, .insufficientScope] }
        if !parameters.isEmpty { errors.append(.invalidParameter) }
        errors.append(.unknownParameter)
        if requestBody != nil { errors += [.invalidBody, .bodyTooLarge, .unsupportedMediaType, .requestTimeout] }
        errors.append(.internalError)
        var seen: Set<String> = []
        return errors.filter { seen.insert($0.code).inserted }.sorted { ($0.status, $0.code) < ($1.status, $1.code) }
    }
}

extension RouteCollection {
    /// A Markdown table for a README.
    public var markdown: String {
        var lines = ["| Route | What it does | Needs | Parameters | Answers | Errors |", "|---|---|---|---|---|---|"]
        for route in routes {
            let parameters = route.parameters.map { Self.cell($0.specification) }.joined(separator: "<br>")
            let answers = route.responses.map { "\($0.status)" + ($0.contentType.map { " `\($0)`" } ?? "") }.joined(separator: "<br>")
            let errors = route.errors.map { "\($0.status) `\($0.code)`" }.joined(separator: "<br>")
            let cells = ["`\(route.method) \(route.path)`", route.summary, route.access.markdown, parameters, answers, errors]
            lines.append("| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func cell(_ parameter: ParameterSpecification) -> String {
        var text = "`\(parameter.name)`"
        if parameter.location == .header { text += " (header)" }
        if let allowed = parameter.allowed { text += " \(allowed)" }
        if let shown = parameter.defaultText { text += ", default \(shown)" }
        return text
    }
}

extension Access {
    /// For the table.
    fileprivate var markdown: String {
        switch self {
        case .open: "open"
        case .scope(let scope): "`\(scope)`"
        case .scopeOrDevice(let scope, _): "`\(scope)`, or the device itself"
        }
    }
}
