public import Domain

/// Points of one series within a stretch of time, as they lie in storage: bytes ↔ `ChunkBuffer`, without allocation once both
/// have grown. Layout: FORMAT.md, "SeriesChunk".
public enum SeriesChunkCodec {
    static let schema = MessageSchema(id: 4, version: 1, knownFlags: Flags.qualities | Flags.regular | Flags.unitMask)
    public static let schemaID: UInt8 = schema.id

    enum Flags {
        static let qualities: UInt8 = 0b0001
        static let regular: UInt8 = 0b0010
        static let unitShift: UInt8 = 2
        static let unitMask: UInt8 = 0b1100
    }

    /// Bits of the byte that describes a run.
    enum Shape {
        static let double: UInt8 = 0
        static let int: UInt8 = 1
        static let bool: UInt8 = 2
        static let string: UInt8 = 3
        static let decimal: UInt8 = 4
        static let nearDecimal: UInt8 = 5
        static let typeMask: UInt8 = 0b0000_0111
        static let constant: UInt8 = 0b0000_1000
        static let reserved: UInt8 = 0b1111_0000
    }

    /// Replaces the content of `output` by the chunk. The order of the points is kept, whatever their times.
    /// - Parameter base: Where the stretch begins; decoding needs the same.
    /// - Throws: `invalidField`, `invalidUTF8` or `limitExceeded` with the point's index; `limitExceeded` beyond
    ///   `WireLimits.pointsPerChunk` and `WireLimits.chunkBytes`.
    public static func encode(_ chunk: ChunkBuffer, base: Timestamp, into output: inout WireBuffer) throws(WireError) {
        try check(chunk, base)
        // Besides text, a point takes at most 27 bytes: two codes of 70 bits, a quality with its length, a run's count and shape.
        let bound = 64 + SeriesChunkEncoder.textBytes(chunk) + 32 * chunk.count
        try chunk.arena.withBytes { (text: UnsafeRawBufferPointer) throws(WireError) in
            try chunk.entries.withUnsafeBufferPointer { (all: UnsafeBufferPointer<TelemetryBuffer.Entry>) throws(WireError) in
                let entries = UnsafeBufferPointer(rebasing: all[..<chunk.count])
                try output.replace(bound: bound, limit: WireLimits.chunkBytes) { writer, _ in
                    SeriesChunkEncoder(text: text, entries: entries).encode(base, &writer)
                }
            }
        }
    }

    private static func check(_ chunk: ChunkBuffer, _ base: Timestamp) throws(WireError) {
        guard !chunk.isOverfull else { throw WireError(.limitExceeded, offset: chunk.count, field: "count") }
        guard base.isRepresentable else { throw WireError(.invalidField, offset: 0, field: "base") }
        var lastText: UInt64?
        for index in 0..<chunk.count {
            let entry = chunk.entries[index]
            guard Timestamp(microseconds: entry.time).isRepresentable else { throw WireError(.invalidField, offset: index, field: "time") }
            guard entry.kind == .string, entry.payload != lastText else { continue }
            try check(TextArena.Slice(packed: entry.payload), of: chunk, at: index)
            lastText = entry.payload
        }
    }

    private static func check(_ slice: TextArena.Slice, of chunk: ChunkBuffer, at index: Int) throws(WireError) {
        guard slice.count <= WireLimits.stringBytes else { throw WireError(.limitExceeded, offset: index, field: "value") }
        guard chunk.arena.withBytes({ TextRule.isText($0[slice]) }) else { throw WireError(.invalidUTF8, offset: index, field: "value") }
    }

    /// Replaces the content of `chunk`. Whatever the bytes are, it takes memory for `WireLimits.pointsPerChunk` at most.
    /// - Throws: `WireError`; `chunk` is empty then.
    public static func decode(_ bytes: UnsafeRawBufferPointer, base: Timestamp, into chunk: inout ChunkBuffer) throws(WireError) {
        chunk.removeAll()
        do throws(WireError) {
            var reader = ByteReader(bytes)
            let (version, flags) = try reader.header(schema, limit: WireLimits.chunkBytes)
            guard flags & Flags.unitMask != Flags.unitMask else { throw reader.error(.invalidField, "flags", at: 3) }
            try SeriesChunkDecoder.decode(&reader, flags, base, into: &chunk)
            try reader.finish(schema, version: version)
        } catch {
            chunk.removeAll()
            throw error
        }
    }
}
