/// Type identifiers of PostgreSQL's built-in types (`src/include/catalog/pg_type.dat`), which never change between versions.
public struct PostgresType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let bool = PostgresType(rawValue: 16)
    public static let bytea = PostgresType(rawValue: 17)
    public static let name = PostgresType(rawValue: 19)
    public static let int8 = PostgresType(rawValue: 20)
    public static let int2 = PostgresType(rawValue: 21)
    public static let int4 = PostgresType(rawValue: 23)
    public static let text = PostgresType(rawValue: 25)
    public static let oid = PostgresType(rawValue: 26)
    public static let tid = PostgresType(rawValue: 27)
    public static let float4 = PostgresType(rawValue: 700)
    public static let float8 = PostgresType(rawValue: 701)
    public static let unknown = PostgresType(rawValue: 705)
    public static let varchar = PostgresType(rawValue: 1043)
    public static let timestamptz = PostgresType(rawValue: 1184)

    /// The array type over this element type.
    public var array: PostgresType {
        switch self {
        case .bool: PostgresType(rawValue: 1000)
        case .bytea: PostgresType(rawValue: 1001)
        case .int2: PostgresType(rawValue: 1005)
        case .int4: PostgresType(rawValue: 1007)
        case .text: PostgresType(rawValue: 1009)
        case .int8: PostgresType(rawValue: 1016)
        case .float8: PostgresType(rawValue: 1022)
        case .timestamptz: PostgresType(rawValue: 1185)
        default: preconditionFailure("no array type is known for type \(rawValue): add its identifier here")
        }
    }
}

/// PostgreSQL counts microseconds from 2000-01-01 UTC, the rest of the platform from 1970-01-01 UTC.
enum PostgresEpoch {
    static let microsecondsAfterUnix: Int64 = 946_684_800_000_000

    /// Saturates at the far ends instead of trapping; the server then refuses the value as out of range.
    static func fromUnix(_ microseconds: Int64) -> Int64 {
        let (value, overflow) = microseconds.subtractingReportingOverflow(microsecondsAfterUnix)
        return overflow ? Int64.min : value
    }

    static func toUnix(_ microseconds: Int64) -> Int64 {
        let (value, overflow) = microseconds.addingReportingOverflow(microsecondsAfterUnix)
        return overflow ? Int64.max : value
    }
}

extension [UInt8] {
    mutating func appendBigEndian<T: FixedWidthInteger>(_ value: T) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    mutating func replaceBigEndian<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        withUnsafeMutableBytes { $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self) }
    }
}
