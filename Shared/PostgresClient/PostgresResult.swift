internal import CPostgres

/// The rows of one answer, in binary. Owns libpq's memory; rows keep it alive.
public final class PostgresResult {
    private let pointer: OpaquePointer
    public let count: Int

    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
        count = Int(PQntuples(pointer))
    }

    deinit { PQclear(pointer) }

    public var columnCount: Int { Int(PQnfields(pointer)) }

    public func columnName(_ column: Int) -> String {
        PQfname(pointer, Int32(column)).map { String(cString: $0) } ?? "\(column)"
    }

    /// Rows touched by INSERT, UPDATE, DELETE or COPY; rows given by SELECT.
    public var affectedRows: Int { PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0 }

    public subscript(row: Int) -> PostgresRow {
        precondition(row >= 0 && row < count, "row \(row) of \(count)")
        return PostgresRow(result: self, index: row)
    }

    public var first: PostgresRow? { count > 0 ? self[0] : nil }

    func type(of column: Int) -> PostgresType { PostgresType(rawValue: PQftype(pointer, Int32(column))) }

    /// The bytes of a field, nil for NULL; valid while the result lives.
    func bytes(row: Int, column: Int) -> UnsafeRawBufferPointer? {
        let (row, column) = (Int32(row), Int32(column))
        guard PQgetisnull(pointer, row, column) == 0, let start = PQgetvalue(pointer, row, column) else { return nil }
        return UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(pointer, row, column)))
    }
}

extension PostgresResult: Sequence {
    public func makeIterator() -> AnyIterator<PostgresRow> {
        var next = 0
        return AnyIterator {
            guard next < self.count else { return nil }
            defer { next += 1 }
            return self[next]
        }
    }
}

/// One row of an answer. Fields are read by position and type; a wrong type or an unexpected NULL is an error that names the column.
public struct PostgresRow {
    let result: PostgresResult
    let index: Int

    public func isNull(_ column: Int) -> Bool { result.bytes(row: index, column: column) == nil }

    public func get<T: PostgresDecodable>(_ column: Int, as type: T.Type = T.self) throws(PostgresError) -> T {
        guard let value = try optional(column, as: type) else { throw refused(column, "is NULL") }
        return value
    }

    public func optional<T: PostgresDecodable>(_ column: Int, as type: T.Type = T.self) throws(PostgresError) -> T? {
        precondition(column >= 0 && column < result.columnCount, "column \(column) of \(result.columnCount)")
        guard let bytes = result.bytes(row: index, column: column) else { return nil }
        let wire = result.type(of: column)
        guard let value = T(postgres: bytes, type: wire) else { throw refused(column, "of type \(wire.rawValue) is no \(T.self)") }
        return value
    }

    /// `timestamptz` as microseconds since the Unix epoch.
    public func microseconds(_ column: Int) throws(PostgresError) -> Int64 {
        guard let bytes = result.bytes(row: index, column: column), result.type(of: column) == .timestamptz, bytes.count == 8 else {
            throw refused(column, "is no timestamptz")
        }
        return PostgresEpoch.toUnix(bytes.bigEndian(Int64.self))
    }

    /// The field's bytes as the server sent them, nil for NULL; valid inside `body` only.
    public func withBytes<R>(_ column: Int, _ body: (UnsafeRawBufferPointer?) throws -> R) rethrows -> R {
        try body(result.bytes(row: index, column: column))
    }

    private func refused(_ column: Int, _ why: String) -> PostgresError {
        PostgresError(state: .datatypeMismatch, message: "column \(column) (\(result.columnName(column))) \(why)")
    }
}

/// What a field can be read as.
public protocol PostgresDecodable {
    /// Nil when the type or the length is another.
    init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType)
}

extension UnsafeRawBufferPointer {
    /// Callers have checked the length.
    func bigEndian<T: FixedWidthInteger>(_ type: T.Type) -> T { T(bigEndian: loadUnaligned(as: T.self)) }
}

extension Int64: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        switch (type, bytes.count) {
        case (.int8, 8): self = bytes.bigEndian(Int64.self)
        case (.int4, 4): self = Int64(bytes.bigEndian(Int32.self))
        case (.int2, 2): self = Int64(bytes.bigEndian(Int16.self))
        case (.oid, 4): self = Int64(bytes.bigEndian(UInt32.self))
        default: return nil
        }
    }
}

extension Int: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard let wide = Int64(postgres: bytes, type: type) else { return nil }
        self = Int(wide)
    }
}

extension Int32: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard type == .int4 || type == .int2, let wide = Int64(postgres: bytes, type: type) else { return nil }
        self = Int32(wide)
    }
}

extension Int16: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard type == .int2, bytes.count == 2 else { return nil }
        self = bytes.bigEndian(Int16.self)
    }
}

extension Double: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        switch (type, bytes.count) {
        case (.float8, 8): self = Double(bitPattern: bytes.bigEndian(UInt64.self))
        case (.float4, 4): self = Double(Float(bitPattern: bytes.bigEndian(UInt32.self)))
        default: return nil
        }
    }
}

extension Bool: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard type == .bool, bytes.count == 1 else { return nil }
        self = bytes[0] != 0
    }
}

extension String: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard type == .text || type == .varchar || type == .name || type == .unknown else { return nil }
        self = String(decoding: bytes, as: UTF8.self)
    }
}

extension [UInt8]: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard type == .bytea else { return nil }
        self = [UInt8](bytes)
    }
}

extension PostgresRowAddress: PostgresDecodable {
    public init?(postgres bytes: UnsafeRawBufferPointer, type: PostgresType) {
        guard type == .tid, bytes.count == 6 else { return nil }
        self.init(block: bytes.bigEndian(UInt32.self), line: UnsafeRawBufferPointer(rebasing: bytes[4..<6]).bigEndian(UInt16.self))
    }
}
