/// A parameter of a statement, sent in binary: it is never parsed as SQL.
public enum PostgresValue: Sendable {
    case null
    case bool(Bool)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    case double(Double)
    case text(String)
    case bytes([UInt8])
    /// `timestamptz`, microseconds since the Unix epoch.
    case timestamp(microseconds: Int64)
    /// Physical row address (`ctid`).
    case rowAddress(PostgresRowAddress)
    case array(PostgresArray)
}

extension PostgresValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral value: String) { self = .text(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// Where a row version lies in its table: block and line. Ordered as PostgreSQL orders `tid`.
public struct PostgresRowAddress: Hashable, Sendable, Comparable {
    public let block: UInt32
    public let line: UInt16

    public init(block: UInt32, line: UInt16) {
        self.block = block
        self.line = line
    }

    public static func < (left: Self, right: Self) -> Bool { (left.block, left.line) < (right.block, right.line) }
}

/// A one-dimensional array parameter, encoded while it is filled; reusable through ``removeAll()``.
public struct PostgresArray: Sendable {
    public let elementType: PostgresType
    public private(set) var count = 0
    private var hasNull = false
    private var elements: [UInt8] = []

    public init(of elementType: PostgresType) { self.elementType = elementType }

    /// An array of `text`.
    public init(texts: some Sequence<String>) {
        self.init(of: .text)
        for text in texts { append(text) }
    }

    public mutating func removeAll() {
        count = 0
        hasNull = false
        elements.removeAll(keepingCapacity: true)
    }

    public mutating func append(_ value: Int16) { appendFixed(value, .int2) }
    public mutating func append(_ value: Int32) { appendFixed(value, .int4) }
    public mutating func append(_ value: Int64) { appendFixed(value, .int8) }
    public mutating func append(_ value: Double) { appendFixed(value.bitPattern, .float8) }
    public mutating func append(_ value: Bool) { appendFixed(value ? UInt8(1) : 0, .bool) }
    /// - Parameter microseconds: since the Unix epoch.
    public mutating func append(timestamp microseconds: Int64) { appendFixed(PostgresEpoch.fromUnix(microseconds), .timestamptz) }

    public mutating func append(text: UnsafeRawBufferPointer) {
        precondition(elementType == .text || elementType == .bytea, "text appended to an array of another type")
        elements.appendBigEndian(Int32(text.count))
        elements.append(contentsOf: text)
        count += 1
    }

    public mutating func append(_ value: String) {
        var value = value
        value.withUTF8 { append(text: UnsafeRawBufferPointer($0)) }
    }

    public mutating func appendNull() {
        elements.appendBigEndian(Int32(-1))
        hasNull = true
        count += 1
    }

    private mutating func appendFixed<T: FixedWidthInteger>(_ value: T, _ type: PostgresType) {
        precondition(elementType == type, "element appended to an array of another type")
        elements.appendBigEndian(Int32(MemoryLayout<T>.size))
        elements.appendBigEndian(value)
        count += 1
    }

    /// Header of `array_recv` (`src/backend/utils/adt/arrayfuncs.c`): dimensions, null flag, element type, length, lower bound.
    func encode(into bytes: inout [UInt8]) {
        bytes.appendBigEndian(Int32(count == 0 ? 0 : 1))
        bytes.appendBigEndian(Int32(hasNull ? 1 : 0))
        bytes.appendBigEndian(elementType.rawValue)
        guard count > 0 else { return }
        bytes.appendBigEndian(Int32(count))
        bytes.appendBigEndian(Int32(1))
        bytes.append(contentsOf: elements)
    }
}

/// The parameters of one statement laid out for libpq: one block of bytes, and type, place and length of each.
struct EncodedParameters {
    private(set) var bytes: [UInt8] = []
    private(set) var types: [UInt32] = []
    private(set) var offsets: [Int] = []
    private(set) var lengths: [Int32] = []

    init(_ values: [PostgresValue]) {
        for value in values {
            let start = bytes.count
            let type = encode(value)
            types.append(type.rawValue)
            if case .null = value {
                offsets.append(-1)
                lengths.append(0)
            } else {
                offsets.append(start)
                lengths.append(Int32(bytes.count - start))
            }
        }
        bytes.append(0)  // an empty last parameter must still have an address inside the block
    }

    private mutating func encode(_ value: PostgresValue) -> PostgresType {
        switch value {
        case .null: return PostgresType(rawValue: 0)
        case .bool(let value):
            bytes.append(value ? 1 : 0)
            return .bool
        case .int16(let value):
            bytes.appendBigEndian(value)
            return .int2
        case .int32(let value):
            bytes.appendBigEndian(value)
            return .int4
        case .int64(let value):
            bytes.appendBigEndian(value)
            return .int8
        case .double(let value):
            bytes.appendBigEndian(value.bitPattern)
            return .float8
        case .text(let value):
            bytes.append(contentsOf: value.utf8)
            return .text
        case .bytes(let value):
            bytes.append(contentsOf: value)
            return .bytea
        case .timestamp(let microseconds):
            bytes.appendBigEndian(PostgresEpoch.fromUnix(microseconds))
            return .timestamptz
        case .rowAddress(let address):
            bytes.appendBigEndian(address.block)
            bytes.appendBigEndian(address.line)
            return .tid
        case .array(let array):
            array.encode(into: &bytes)
            return array.elementType.array
        }
    }

    /// Gives the arrays that `PQexecParams` takes; valid inside `body`.
    func withPointers<R>(_ body: (Int32, [UInt32], [UnsafePointer<CChar>?], [Int32], [Int32]) -> R) -> R {
        bytes.withUnsafeBytes { block in
            let base = block.bindMemory(to: CChar.self).baseAddress
            let pointers = offsets.map { offset in offset < 0 ? nil : base.map { $0 + offset } }
            return body(Int32(offsets.count), types, pointers, lengths, [Int32](repeating: 1, count: offsets.count))
        }
    }
}
