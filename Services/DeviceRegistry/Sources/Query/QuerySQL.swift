import Domain
import JSON
import PostgresClient

/// Turns queries into SQL conditions over `registry.devices d LEFT JOIN registry.presence p`.
///
/// The text is made of constants of this file; names of labels, paths into JSON and values are all parameters.
///
/// SQL has a third truth value, queries have none. A condition made here is TRUE exactly where the query is true; elsewhere it may be
/// FALSE or NULL. AND and OR keep that, and `not` becomes `IS NOT TRUE`, which ends it.
enum QuerySQL {
    static func condition(_ query: QueryTree) -> SQLFragment {
        switch query {
        case .all(let parts): joined(parts.map(condition), " AND ")
        case .any(let parts): joined(parts.map(condition), " OR ")
        case .not(let part): "(\(condition(part)) IS NOT TRUE)"
        case .compare(let field, .ne, let literal): "(\(comparison(field, .eq, literal)) IS NOT TRUE)"
        case .compare(let field, let comparison, let literal): self.comparison(field, comparison, literal)
        case .like(let field, let pattern): like(field, "LIKE", .text(pattern.sql))
        case .among(let field, let literals): among(field, literals)
        case .exists(let field): exists(field)
        }
    }

    private static func joined(_ parts: [SQLFragment], _ separator: SQLFragment) -> SQLFragment {
        parts.isEmpty ? "true" : "(\(SQLFragment.joined(parts, by: separator)))"
    }

    // MARK: comparisons

    private static func comparison(_ field: QueryField, _ comparison: QueryTree.Comparison, _ literal: QueryLiteral) -> SQLFragment {
        if comparison == .eq, let contained = containment(field, literal) { return contained }
        if field == .status { return status([literal]) }
        let sign = sign(comparison)
        if case .text = literal { return like(field, sign, value(literal)) }
        guard field.kind == .json else { return "(\(column(field)) \(sign) \(bind: value(literal)))" }
        let type = SQLFragment(trusted: jsonType(literal))
        return "(jsonb_typeof(\(column(field))) = \(type) AND \(column(field)) \(sign) to_jsonb(\(bind: value(literal))))"
    }

    /// A text held against another. The index over names has the empty text for those that are not there, so it is asked for that.
    private static func like(_ field: QueryField, _ sign: SQLFragment, _ value: PostgresValue) -> SQLFragment {
        guard field == .name else { return "(\(text(field)) \(sign) \(bind: value))" }
        return "(\(filled(.name)) \(sign) \(bind: value) AND d.name IS NOT NULL)"
    }

    /// Equality as containment, which the index over a JSON column answers.
    private static func containment(_ field: QueryField, _ literal: QueryLiteral) -> SQLFragment? {
        switch field {
        case .label(let key): "(d.labels @> \(bind: .text(document([key], literal)))::jsonb)"
        case .attribute(let path): "(d.attributes @> \(bind: .text(document(path, literal)))::jsonb)"
        case .fact(let path): "(d.facts @> \(bind: .text(document(path, literal)))::jsonb)"
        default: nil
        }
    }

    private static func among(_ field: QueryField, _ literals: [QueryLiteral]) -> SQLFragment {
        if field.kind == .json { return joined(literals.map { comparison(field, .eq, $0) }, " OR ") }
        if field == .status { return status(literals) }
        return "(\(column(field)) = ANY(\(bind: .array(array(literals)))))"
    }

    /// A device that was never heard of has no presence and is offline. Only where that matters is the index over presence of no use.
    private static func status(_ literals: [QueryLiteral]) -> SQLFragment {
        let place: SQLFragment = literals.contains(.text("offline")) ? column(.status) : "p.status"
        return "(\(place) = ANY(\(bind: .array(array(literals)))))"
    }

    private static func exists(_ field: QueryField) -> SQLFragment {
        field.kind == .json ? "(jsonb_typeof(\(column(field))) <> 'null')" : "(\(column(field)) IS NOT NULL)"
    }

    // MARK: fields

    /// The field as a value of its SQL type, texts in the order of their bytes; NULL where a device lacks it.
    static func column(_ field: QueryField) -> SQLFragment {
        switch field {
        case .id: "d.id"
        case .name: "d.name COLLATE \"C\""
        case .type: "d.type"
        case .model: "d.model COLLATE \"C\""
        case .firmware: "d.firmware COLLATE \"C\""
        case .parent: "d.parent"
        case .lifecycle: "d.lifecycle COLLATE \"C\""
        case .status: "coalesce(p.status, 'offline') COLLATE \"C\""
        case .statusSince: "p.since"
        case .statusVersion: "coalesce(p.version, 0)"
        case .lastSeen: "p.last_seen"
        case .registeredAt: "d.registered_at"
        case .updatedAt: "d.updated_at"
        case .deletedAt: "d.deleted_at"
        case .revision: "d.revision"
        case .label(let key): "(d.labels ->> \(bind: .text(key))) COLLATE \"C\""
        case .location(let path): json("d.location", path)
        case .attribute(let path): json("d.attributes", path)
        case .fact(let path): json("d.facts", path)
        }
    }

    /// The same, for an order: never null, so that a page can go on behind any device. As the indexes have it.
    static func filled(_ field: QueryField) -> SQLFragment {
        switch field {
        case .name: "coalesce(d.name, '') COLLATE \"C\""
        case .model: "coalesce(d.model, '') COLLATE \"C\""
        case .firmware: "coalesce(d.firmware, '') COLLATE \"C\""
        case .parent: "coalesce(d.parent, '')"
        case .statusSince, .lastSeen, .deletedAt: "coalesce(\(column(field)), '-infinity')"
        case .label(let key): "coalesce(d.labels ->> \(bind: .text(key)), '') COLLATE \"C\""
        default: column(field)
        }
    }

    /// `->` with a text steps into objects only, never into arrays, as containment does.
    private static func json(_ column: SQLFragment, _ path: [String]) -> SQLFragment {
        "(\(path.reduce(column) { "\($0) -> \(bind: .text($1))" }))"
    }

    /// The text that a field holds, NULL if it holds something else.
    private static func text(_ field: QueryField) -> SQLFragment {
        guard field.kind == .json else { return column(field) }
        return "CASE WHEN jsonb_typeof(\(column(field))) = 'string' THEN (\(column(field)) #>> '{}') COLLATE \"C\" END"
    }

    // MARK: literals

    private static func value(_ literal: QueryLiteral) -> PostgresValue {
        switch literal {
        case .text(let value): .text(value)
        case .integer(let value): .int64(value)
        case .number(let value): .double(value)
        case .bool(let value): .bool(value)
        case .time(let value): .timestamp(microseconds: value.microseconds)
        }
    }

    private static func sign(_ comparison: QueryTree.Comparison) -> SQLFragment {
        switch comparison {
        case .eq: "="
        case .ne: "<>"
        case .lt: "<"
        case .le: "<="
        case .gt: ">"
        case .ge: ">="
        }
    }

    private static func jsonType(_ literal: QueryLiteral) -> String {
        switch literal {
        case .integer, .number: "'number'"
        case .bool: "'boolean'"
        case .text, .time: "'string'"
        }
    }

    /// A JSON document that holds `literal` at `path` and nothing else.
    private static func document(_ path: [String], _ literal: QueryLiteral) -> String {
        let value: JSONValue =
            switch literal {
            case .text(let value): .string(value)
            case .integer(let value): .int(value)
            case .number(let value): .double(value)
            case .bool(let value): .bool(value)
            case .time(let value): .string(value.rfc3339)
            }
        return path.reversed().reduce(value) { .object([JSONValue.Member(name: $1, value: $0)]) }.text
    }

    /// The literals of one `in` are of one kind, as its field is.
    private static func array(_ literals: [QueryLiteral]) -> PostgresArray {
        let type: PostgresType =
            switch literals.first {
            case .integer: .int8
            case .time: .timestamptz
            default: .text
            }
        var array = PostgresArray(of: type)
        for literal in literals {
            switch literal {
            case .text(let value): array.append(value)
            case .integer(let value): array.append(value)
            case .time(let value): array.append(timestamp: value.microseconds)
            case .number, .bool: preconditionFailure("only JSON fields are compared with \(literal)")
            }
        }
        return array
    }
}
