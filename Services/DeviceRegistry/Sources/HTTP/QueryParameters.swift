import Domain
import HTTPKit

/// Parameters that ask for devices by a query.
enum QueryParameters {
    static let query = Parameter<String?>.queryText
    static let grouping = Parameter<QueryGrouping>(
        "by", allowed: "up to \(QueryGrouping.mostFields) of \(QueryField.known.joined(separator: ", ")), with commas",
        help: "Fields to count by: `status`, `type,labels.site`."
    ) { text throws(ParameterFault) in
        do throws(QueryFault) { return try QueryGrouping(text) } catch { throw ParameterFault("cannot be read \(error)") }
    }.optional
    static let groups = Parameter.integer("top", range: 1...1_000, help: "Groups that are shown, the largest first.").defaulting(to: 20)

    static let example = "and(eq(type,\"pump\"),gt(attributes.rpm,900),lt(lastSeen,-10m),like(labels.site,\"de-*\"))"
}

extension Parameter where Value == String? {
    fileprivate static var queryText: Parameter<String?> {
        Parameter<String>.string(
            "q", maxLength: QueryParser.longestText, help: "Devices of which this is true: `\(QueryParameters.example)`."
        ).optional
    }
}

extension ErrorCode {
    static let invalidQuery = ErrorCode(400, "invalid_query", "The query cannot be read; the detail tells where, and what was expected.")
}

extension RequestContext {
    /// The condition that `q` is; nil without it.
    func deviceCondition(now: Timestamp) throws(APIError) -> SQLFragment? {
        guard let text = try value(QueryParameters.query) else { return nil }
        return QuerySQL.condition(try QueryTree.read(text, now: now))
    }
}

extension QueryTree {
    /// - Throws: 400 `invalid_query`.
    static func read(_ text: String, now: Timestamp, field: String = "q") throws(APIError) -> QueryTree {
        do throws(QueryFault) {
            return try QueryParser.parse(text, now: now)
        } catch {
            throw APIError(.invalidQuery, error.description, field: field)
        }
    }
}

extension PageCursor {
    /// Microseconds that PostgreSQL has a time for: a cursor may be made by hand.
    static let times = Int64(0)...4_102_444_800_000_000
}
