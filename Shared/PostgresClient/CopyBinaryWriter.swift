/// Rows in the format of `COPY … (FORMAT binary)` (PostgreSQL manual, COPY, “Binary Format”), built in one reused buffer.
///
/// A row is ``beginRow(columns:)`` and then exactly that many fields. Lengths and numbers are big-endian; NULL is length −1.
public struct CopyBinaryWriter: ~Copyable {
    /// Bytes gathered before they are handed to libpq.
    static let flushThreshold = 64 * 1024

    private var storage: UnsafeMutableRawBufferPointer
    private(set) var used = 0
    public private(set) var rows = 0
    /// Hands full buffers on; returns false once the connection has failed, after which everything is discarded.
    private let sink: (UnsafeRawBufferPointer) -> Bool
    private(set) var failed = false

    init(storage: UnsafeMutableRawBufferPointer, sink: @escaping (UnsafeRawBufferPointer) -> Bool) {
        self.storage = storage
        self.sink = sink
        storage.copyBytes(from: Self.header)
        used = Self.header.count
    }

    /// Signature, flags (none), length of the header extension (none).
    private static let header: [UInt8] =
        [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)

    public mutating func beginRow(columns: Int16) {
        if used >= Self.flushThreshold { flush() }
        put(columns)
        rows += 1
    }

    public mutating func int2(_ value: Int16) { field(value) }
    public mutating func int4(_ value: Int32) { field(value) }
    public mutating func int8(_ value: Int64) { field(value) }
    public mutating func float8(_ value: Double) { field(value.bitPattern) }
    public mutating func bool(_ value: Bool) { field(value ? UInt8(1) : 0) }
    /// - Parameter microseconds: since the Unix epoch.
    public mutating func timestamptz(microseconds: Int64) { field(PostgresEpoch.fromUnix(microseconds)) }
    public mutating func null() { put(Int32(-1)) }

    /// `text` or `bytea`.
    public mutating func bytes(_ value: UnsafeRawBufferPointer) {
        put(Int32(value.count))
        if used + value.count > storage.count { flush() }
        if value.count > storage.count {
            failed = failed || !sink(value)
            return
        }
        UnsafeMutableRawBufferPointer(rebasing: storage[used...]).copyMemory(from: value)
        used += value.count
    }

    public mutating func text(_ value: String) {
        var value = value
        value.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
    }

    private mutating func field<T: FixedWidthInteger>(_ value: T) {
        put(Int32(MemoryLayout<T>.size))
        put(value)
    }

    private mutating func put<T: FixedWidthInteger>(_ value: T) {
        if used + MemoryLayout<T>.size > storage.count { flush() }
        storage.storeBytes(of: value.bigEndian, toByteOffset: used, as: T.self)
        used += MemoryLayout<T>.size
    }

    private mutating func flush() {
        if used > 0, !failed { failed = !sink(UnsafeRawBufferPointer(rebasing: storage[..<used])) }
        used = 0
    }

    mutating func finish() {
        put(Int16(-1))
        flush()
    }
}
