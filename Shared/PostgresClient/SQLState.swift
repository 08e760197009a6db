/// A five-character SQLSTATE (PostgreSQL manual, appendix A). Open: any code a server sends is representable.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }

    /// The first two characters, which name the class.
    public var errorClass: SQLStateClass { SQLStateClass(rawValue: String(rawValue.prefix(2))) }

    public static let connectionFailure = SQLState(rawValue: "08006")
    public static let cannotConnect = SQLState(rawValue: "08001")
    public static let protocolViolation = SQLState(rawValue: "08P01")
    public static let numericOutOfRange = SQLState(rawValue: "22003")
    public static let datatypeMismatch = SQLState(rawValue: "42804")
    public static let foreignKeyViolation = SQLState(rawValue: "23503")
    public static let uniqueViolation = SQLState(rawValue: "23505")
    public static let noPartition = SQLState(rawValue: "23514")
    public static let undefinedSchema = SQLState(rawValue: "3F000")
    public static let undefinedTable = SQLState(rawValue: "42P01")
    public static let syntaxError = SQLState(rawValue: "42601")
    public static let serializationFailure = SQLState(rawValue: "40001")
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    public static let queryCanceled = SQLState(rawValue: "57014")
    public static let adminShutdown = SQLState(rawValue: "57P01")
    public static let tooManyConnections = SQLState(rawValue: "53300")
    public static let diskFull = SQLState(rawValue: "53100")
}

/// A class of SQLSTATEs, for `catch let error as PostgresError where .integrityViolation ~= error`.
public struct SQLStateClass: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    public static let connection = SQLStateClass(rawValue: "08")
    public static let dataException = SQLStateClass(rawValue: "22")
    public static let integrityViolation = SQLStateClass(rawValue: "23")
    public static let transactionRollback = SQLStateClass(rawValue: "40")
    public static let syntaxOrAccess = SQLStateClass(rawValue: "42")
    public static let insufficientResources = SQLStateClass(rawValue: "53")
    public static let operatorIntervention = SQLStateClass(rawValue: "57")

    public static func ~= (pattern: SQLStateClass, error: PostgresError) -> Bool { error.state.errorClass == pattern }
}
