import PostgresClient

/// A piece of SQL with its parameters: what is interpolated becomes a parameter or is a fragment itself, never text of the statement.
///
/// ```swift
/// let condition: SQLFragment = "d.type = \(bind: .text(type)) AND d.deleted_at IS NULL"
/// ```
struct SQLFragment: ExpressibleByStringInterpolation, Sendable {
    fileprivate enum Piece: Sendable {
        case text(String)
        case value(PostgresValue)
    }

    private var pieces: [Piece] = []

    /// A trusted text: a literal of the program, an operator or a column from a closed list. Never anything that a client sent.
    init(trusted text: String) { pieces = [.text(text)] }

    init(stringLiteral value: String) { pieces = [.text(value)] }

    init(stringInterpolation: StringInterpolation) { pieces = stringInterpolation.pieces }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var pieces: [Piece] = []

        init(literalCapacity: Int, interpolationCount: Int) {}

        mutating func appendLiteral(_ literal: String) {
            if !literal.isEmpty { pieces.append(.text(literal)) }
        }

        mutating func appendInterpolation(bind value: PostgresValue) { pieces.append(.value(value)) }
        mutating func appendInterpolation(_ fragment: SQLFragment) { pieces += fragment.pieces }
    }

    /// The statement with `$1…` in the order of its parameters.
    var statement: (sql: String, parameters: [PostgresValue]) {
        var sql = ""
        var parameters: [PostgresValue] = []
        for piece in pieces {
            switch piece {
            case .text(let text): sql += text
            case .value(let value):
                parameters.append(value)
                sql += "$\(parameters.count)"
            }
        }
        return (sql, parameters)
    }

    /// `(a) OR (b)`; `false` without any.
    static func any(_ conditions: [SQLFragment]) -> SQLFragment {
        conditions.isEmpty ? "false" : joined(conditions.map { "(\($0))" }, by: " OR ")
    }

    /// `(a) AND (b)`; `true` without any.
    static func all(_ conditions: [SQLFragment]) -> SQLFragment {
        conditions.isEmpty ? "true" : joined(conditions.map { "(\($0))" }, by: " AND ")
    }

    static func joined(_ parts: [SQLFragment], by separator: SQLFragment) -> SQLFragment {
        guard let first = parts.first else { return "" }
        return parts.dropFirst().reduce(first) { "\($0)\(separator)\($1)" }
    }
}

extension PostgresConnection {
    /// The label keeps a literal from being taken for a `String`, whose interpolations are text.
    @discardableResult
    func query(fragment: SQLFragment) throws(PostgresError) -> PostgresResult {
        let (sql, parameters) = fragment.statement
        return try query(sql, parameters)
    }
}

extension PostgresValue {
    init(_ text: String?) { self = text.map { .text($0) } ?? .null }
}
