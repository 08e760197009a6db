import Domain

/// Writes times, runs and qualities of a chunk. Layout: FORMAT.md, "SeriesChunk".
struct SeriesChunkEncoder {
    typealias Codec = SeriesChunkCodec

    let text: UnsafeRawBufferPointer
    let entries: UnsafeBufferPointer<TelemetryBuffer.Entry>

    /// A stretch of equal values at least so long is a run of its own: what it saves is more than what the new run costs.
    private static func longStretch(_ kind: TelemetryBuffer.ValueKind) -> Int { kind == .string ? 4 : 64 }

    /// Text that is written, at most: equal texts in a row lie in the arena once, and up to three of them are written each.
    static func textBytes(_ chunk: ChunkBuffer) -> Int { 3 * chunk.arena.count }

    func encode(_ base: Timestamp, _ writer: inout ByteWriter) {
        let rhythm = Rhythm(entries)
        let qualities = entries.contains { $0.quality != 0 }
        var flags = rhythm.unitCode << Codec.Flags.unitShift
        if rhythm.isRegular { flags |= Codec.Flags.regular }
        if qualities { flags |= Codec.Flags.qualities }
        writer.header(Codec.schema, flags: flags)
        writer.varint(UInt64(entries.count))
        guard let first = entries.first else { return }
        writer.zigzag(first.time &- base.microseconds)
        if rhythm.isRegular {
            writer.zigzag(rhythm.step / rhythm.unit)
        } else {
            writer.timeColumn(entries.count, unit: rhythm.unit) { entries[$0].time }
        }
        var start = 0
        while start < entries.count { start = encodeRun(from: start, &writer) }
        if qualities { encodeQualities(&writer) }
    }

    /// How the times follow one another.
    private struct Rhythm {
        /// Microseconds between the first two.
        var step: Int64 = 0
        var isRegular = true
        /// The coarsest unit that divides every difference.
        var unitCode: UInt8 = 2
        var unit: Int64 { RunShape.timeUnit(unitCode) }

        init(_ entries: UnsafeBufferPointer<TelemetryBuffer.Entry>) {
            guard entries.count > 1 else { return }
            step = entries[1].time - entries[0].time
            for index in 1..<entries.count {
                let difference = entries[index].time - entries[index - 1].time
                if difference == step && index > 1 { continue }
                if difference != step { isRegular = false }
                while unitCode > 0 && difference % unit != 0 { unitCode -= 1 }
            }
        }
    }

    /// - Returns: Where the run ends.
    private func encodeRun(from start: Int, _ writer: inout ByteWriter) -> Int {
        let kind = entries[start].kind
        let firstStretch = stretchEnd(from: start)
        var end = firstStretch
        if end - start < Self.longStretch(kind) {
            while end < entries.count && entries[end].kind == kind {
                let next = stretchEnd(from: end)
                if next - end >= Self.longStretch(kind) { break }
                end = next
            }
        }
        writer.varint(UInt64(end - start))
        if firstStretch == end {
            encodeConstant(entries[start], &writer)
        } else {
            encodeVarying(UnsafeBufferPointer(rebasing: entries[start..<end]), &writer)
        }
        return end
    }

    /// End of the stretch of values equal to the one at `start`.
    @inline(__always)
    private func stretchEnd(from start: Int) -> Int {
        let (kind, payload) = (entries[start].kind, entries[start].payload)
        var end = start + 1
        while end < entries.count && entries[end].payload == payload && entries[end].kind == kind { end += 1 }
        return end
    }

    private func encodeConstant(_ entry: TelemetryBuffer.Entry, _ writer: inout ByteWriter) {
        switch entry.value(text) {
        case .double(let number):
            if let (mantissa, exponent) = DecimalDouble.shortest(number) {
                writer.byte(Codec.Shape.constant | Codec.Shape.decimal)
                writer.byte(UInt8(exponent))
                writer.zigzag(mantissa)
            } else {
                writer.byte(Codec.Shape.constant | Codec.Shape.double)
                writer.fixed64(number.bitPattern)
            }
        case .int(let number):
            writer.byte(Codec.Shape.constant | Codec.Shape.int)
            writer.zigzag(number)
        case .bool(let flag):
            writer.byte(Codec.Shape.constant | Codec.Shape.bool)
            writer.byte(flag ? 1 : 0)
        case .string(let bytes):
            writer.byte(Codec.Shape.constant | Codec.Shape.string)
            writer.sized(bytes)
        }
    }

    private func encodeVarying(_ run: UnsafeBufferPointer<TelemetryBuffer.Entry>, _ writer: inout ByteWriter) {
        switch run[0].kind {
        case .double: encodeDoubles(run, &writer)
        case .int:
            writer.byte(Codec.Shape.int)
            writer.integerColumn(run.count) { Int64(bitPattern: run[$0].payload) }
        case .bool:
            writer.byte(Codec.Shape.bool)
            writer.boolColumn(run.count) { run[$0].payload }
        case .string:
            writer.byte(Codec.Shape.string)
            for entry in run { writer.sized(text[TextArena.Slice(packed: entry.payload)]) }
        }
    }

    /// Decimals when all of them are; else the shorter of XOR and near decimals.
    private func encodeDoubles(_ run: UnsafeBufferPointer<TelemetryBuffer.Entry>, _ writer: inout ByteWriter) {
        if let exponent = DecimalDouble.commonExponent(run.count, { Double(bitPattern: run[$0].payload) }) {
            writer.byte(Codec.Shape.decimal)
            writer.byte(UInt8(exponent))
            writer.integerColumn(run.count) {
                let value = Double(bitPattern: run[$0].payload)
                return DecimalDouble.mantissa(value, exponent: exponent, limit: DecimalDouble.columnMantissaLimit) ?? 0
            }
            return
        }
        let start = writer.position
        writer.byte(Codec.Shape.double)
        writer.doubleColumn(run.count) { run[$0].payload }
        let near = NearDecimals(run)
        guard near.byteCount < writer.position - start - 1 else { return }
        writer.rewind(to: start)
        writer.byte(Codec.Shape.nearDecimal)
        near.write(&writer)
    }

    /// Pairs of a length and the quality of so many points.
    private func encodeQualities(_ writer: inout ByteWriter) {
        var start = 0
        while start < entries.count {
            let quality = entries[start].quality
            var end = start + 1
            while end < entries.count && entries[end].quality == quality { end += 1 }
            writer.varint(UInt64(end - start))
            writer.byte(quality)
            start = end
        }
    }
}
