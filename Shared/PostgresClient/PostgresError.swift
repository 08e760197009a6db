internal import CPostgres

/// What the server or libpq refused, with enough to act on: the SQLSTATE, the server's message and the statement's beginning.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    public let state: SQLState
    public let message: String
    public let detail: String?
    public let hint: String?
    /// Name of the violated constraint, when the server names one.
    public let constraint: String?
    /// The beginning of the statement that failed; never its parameters.
    public let statement: String?
    public let file: String
    public let line: Int

    public init(
        state: SQLState, message: String, detail: String? = nil, hint: String? = nil, constraint: String? = nil,
        statement: String? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.state = state
        self.message = message
        self.detail = detail
        self.hint = hint
        self.constraint = constraint
        self.statement = statement
        self.file = file
        self.line = line
    }

    /// Whether the same work may succeed later on a fresh connection: the link, the server's life, its resources, or a lost race
    /// was the reason, not the work itself.
    public var isRetriable: Bool {
        switch state.errorClass {
        case .connection: state != .protocolViolation
        case .transactionRollback, .insufficientResources: true
        case .operatorIntervention: true
        default: state == .lockNotAvailable || state.rawValue == "25P03" || state.rawValue == "25006"
        }
    }

    /// Whether the connection is gone, so that only a new one can go on.
    public var isConnectionLoss: Bool {
        if case .connection = state.errorClass { return true }
        return state.rawValue.hasPrefix("57P") || state.rawValue == "25P03"
    }

    public var description: String {
        var text = "PostgreSQL \(state): \(message)"
        if let detail { text += " (\(detail))" }
        if let hint { text += " Hint: \(hint)" }
        if let statement { text += " In: \(statement)" }
        return text
    }
}

extension PostgresError {
    /// The error of a failed libpq result; of the connection itself where libpq has no result to give.
    init(result: OpaquePointer?, connection: OpaquePointer?, statement: String?, file: String = #fileID, line: Int = #line) {
        func field(_ code: Character) -> String? {
            guard let result, let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        let lost = connection.map { PQstatus($0) != CONNECTION_OK } ?? true
        let fallback = lost ? SQLState.connectionFailure : SQLState(rawValue: "58000")
        let text = field("M") ?? connection.map { String(cString: PQerrorMessage($0)) } ?? "no connection"
        self.init(
            state: field("C").map(SQLState.init(rawValue:)) ?? fallback,
            message: PostgresError.oneLine(text), detail: field("D"), hint: field("H"), constraint: field("n"),
            statement: statement.map { String($0.prefix(120)) }, file: file, line: line)
    }

    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix(while: \.isWhitespace) }.joined(separator: "; ")
    }
}
