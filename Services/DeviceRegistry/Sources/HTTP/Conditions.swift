import HTTPKit
import HTTPServer
import JSON

/// Conditional requests (RFC 9110, section 13). An entity tag is a revision: `"7"`.
enum Conditions {
    static let ifMatch = header("If-Match", help: "Do it only if the resource is at one of these revisions: `\"7\"`, a list, or `*`.")
    static let ifNoneMatch = header(
        "If-None-Match", help: "Writing: `*`, do it only if there is no such resource. Reading: `\"7\"`, 304 when nothing changed.")

    private static func header(_ name: String, help: String) -> Parameter<Precondition.Match?> {
        Parameter<Precondition.Match>(name, in: .header, allowed: "*, or entity tags: \"7\", \"8\"", help: help) {
            text throws(ParameterFault) in
            if text == "*" { return .any }
            let tags = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingPrefix { $0 == " " } }
            var revisions: Set<Int64> = []
            for tag in tags {
                var tag = tag
                while tag.last == " " { tag.removeLast() }
                guard tag.count >= 3, tag.first == "\"", tag.last == "\"", let revision = Int64(tag.dropFirst().dropLast()), revision > 0
                else {
                    throw ParameterFault("must be *, or entity tags as they were given: \"7\"")
                }
                revisions.insert(revision)
            }
            return .revisions(revisions)
        }.optional
    }

    /// Of a request that writes.
    static func writing(_ context: RequestContext) throws -> Precondition {
        guard let noneMatch = try context.optional(ifNoneMatch) else { return Precondition(ifMatch: try context.value(ifMatch)) }
        guard noneMatch == .any else {
            throw APIError(.invalidParameter, "a request that writes takes If-None-Match: * only", field: "If-None-Match")
        }
        return Precondition(ifMatch: try context.value(ifMatch), mustBeNew: true)
    }

    static func tag(_ revision: Int64) -> String { "\"\(revision)\"" }

    /// The document with its tag; 304 without it when the client has it already.
    static func answer(_ document: JSONValue, revision: Int64, _ context: RequestContext) throws -> HTTPResponse {
        let match = try context.value(ifNoneMatch)
        let isKnown =
            switch match {
            case nil: false
            case .any: true
            case .revisions(let known): known.contains(revision)
            }
        if isKnown { return HTTPResponse(status: 304, headers: ["ETag": tag(revision)]) }
        return answer(document, revision: revision)
    }

    static func answer(_ document: JSONValue, status: Int = 200, revision: Int64) -> HTTPResponse {
        var response = HTTPResponse.json(document, status: status)
        response.headers["ETag"] = tag(revision)
        return response
    }
}

extension RequestContext {
    /// The value of a parameter that only some routes declare.
    fileprivate func optional<Value>(_ parameter: Parameter<Value?>) throws(APIError) -> Value? {
        let isDeclared = route.parameters.contains { $0.specification.name == parameter.specification.name }
        return isDeclared ? try value(parameter) : nil
    }
}
