/// The elements of a one-dimensional array of an answer, one after the other. Keeps the answer's memory alive.
///
/// Many values of one column cost the server and the client far less as one array than as rows of their own.
public struct PostgresArrayReader {
    private let owner: PostgresResult
    private let content: UnsafeRawBufferPointer
    private var offset: Int
    /// Elements still to come.
    public private(set) var remaining: Int

    /// Layout of `array_send` (`src/backend/utils/adt/arrayfuncs.c`): dimensions, null flag, element type, and per dimension length and
    /// lower bound; then each element with its length.
    /// - Returns: nil unless the bytes are an array of this type with at most one dimension.
    init?(_ bytes: UnsafeRawBufferPointer, of element: PostgresType, owner: PostgresResult) {
        guard bytes.count >= 12, bytes.int32(at: 8) == Int32(bitPattern: element.rawValue) else { return nil }
        let dimensions = bytes.int32(at: 0)
        guard dimensions == 0 || dimensions == 1 && bytes.count >= 20 && bytes.int32(at: 12) >= 0 else { return nil }
        (self.owner, content) = (owner, bytes)
        remaining = dimensions == 0 ? 0 : Int(bytes.int32(at: 12))
        offset = dimensions == 0 ? 12 : 20
    }

    /// No elements at all.
    init(emptyOf owner: PostgresResult) {
        (self.owner, content, offset, remaining) = (owner, UnsafeRawBufferPointer(start: nil, count: 0), 0, 0)
    }

    /// Nil for NULL.
    public mutating func int64() throws(PostgresError) -> Int64? {
        guard let field = try next(size: 8) else { return nil }
        return content.bigEndian(Int64.self, at: field)
    }

    /// Nil for NULL.
    public mutating func int32() throws(PostgresError) -> Int32? {
        guard let field = try next(size: 4) else { return nil }
        return content.bigEndian(Int32.self, at: field)
    }

    /// Nil for NULL.
    public mutating func int16() throws(PostgresError) -> Int16? {
        guard let field = try next(size: 2) else { return nil }
        return content.bigEndian(Int16.self, at: field)
    }

    /// Nil for NULL.
    public mutating func double() throws(PostgresError) -> Double? { try int64().map { Double(bitPattern: UInt64(bitPattern: $0)) } }

    /// Nil for NULL.
    public mutating func bool() throws(PostgresError) -> Bool? { try next(size: 1).map { content[$0] != 0 } }

    /// `timestamptz` as microseconds since the Unix epoch, nil for NULL.
    public mutating func microseconds() throws(PostgresError) -> Int64? { try int64().map { PostgresEpoch.toUnix($0) } }

    /// Of `text` or `bytea`, nil for NULL; valid while this reader lives.
    public mutating func bytes() throws(PostgresError) -> UnsafeRawBufferPointer? {
        let size = try length()
        guard size >= 0 else { return nil }
        guard size <= content.count - offset else { throw Self.broken }
        defer { offset += size }
        return UnsafeRawBufferPointer(rebasing: content[offset..<offset + size])
    }

    /// - Returns: where the element's bytes begin.
    @inline(__always)
    private mutating func next(size: Int) throws(PostgresError) -> Int? {
        let found = try length()
        if found == size, size <= content.count - offset {
            defer { offset += size }
            return offset
        }
        guard found == -1 else { throw Self.broken }
        return nil
    }

    @inline(__always)
    private mutating func length() throws(PostgresError) -> Int {
        guard remaining > 0, content.count - offset >= 4 else { throw Self.broken }
        remaining -= 1
        defer { offset += 4 }
        return Int(content.int32(at: offset))
    }

    private static var broken: PostgresError {
        PostgresError(
            state: .protocolViolation, message: "an array of the answer is shorter than it says, or its elements have another size")
    }
}

extension PostgresRow {
    /// The array in a column; NULL reads as an empty one.
    public func array(_ column: Int, of element: PostgresType) throws(PostgresError) -> PostgresArrayReader {
        guard let bytes = result.bytes(row: index, column: column) else { return PostgresArrayReader(emptyOf: result) }
        guard let reader = PostgresArrayReader(bytes, of: element, owner: result) else {
            throw PostgresError(
                state: .datatypeMismatch,
                message: "column \(column) (\(result.columnName(column))) is no list of elements of type \(element.rawValue)")
        }
        return reader
    }
}

extension UnsafeRawBufferPointer {
    /// Callers have checked the length.
    fileprivate func int32(at offset: Int) -> Int32 { bigEndian(Int32.self, at: offset) }

    @inline(__always)
    fileprivate func bigEndian<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T {
        T(bigEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
