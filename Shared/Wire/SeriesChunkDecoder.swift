import Domain

/// Reads what follows a chunk's header. Layout: FORMAT.md, "SeriesChunk".
enum SeriesChunkDecoder {
    typealias Codec = SeriesChunkCodec

    static func decode(
        _ reader: inout ByteReader, _ flags: UInt8, _ base: Timestamp, into chunk: inout ChunkBuffer
    ) throws(WireError) {
        let countStart = reader.position
        let count = try reader.count(limit: WireLimits.pointsPerChunk, "count")
        guard count > 0 else { return }
        let unit = RunShape.timeUnit((flags & Codec.Flags.unitMask) >> Codec.Flags.unitShift)
        let first = try reader.time(relativeTo: base, "time").microseconds
        var step: Int64?
        if flags & Codec.Flags.regular != 0 {
            step = try regularStep(&reader, first, unit, count)
        } else {
            // Each further point takes a bit at least: no memory for points that cannot be there.
            guard count - 1 <= 8 * reader.remaining else { throw reader.error(.truncated, "count", at: countStart) }
            chunk.extend(to: count)
            try fill(&chunk, 0..<count) { entries throws(WireError) in try reader.timeColumn(first: first, unit: unit, into: entries) }
        }
        var done = 0
        while done < count { done = try decodeRun(&reader, from: done, of: count, into: &chunk) }
        if let step {
            try fill(&chunk, 0..<count) { entries throws(WireError) in
                for index in entries.indices { entries[index].time = first &+ Int64(index) &* step }
            }
        }
        try decodeQualities(&reader, flags, into: &chunk)
    }

    /// Microseconds between two points, such that the last one is in range; then all are.
    private static func regularStep(_ reader: inout ByteReader, _ first: Int64, _ unit: Int64, _ count: Int) throws(WireError) -> Int64 {
        let start = reader.position
        let (step, overflow) = (try reader.zigzag("step")).multipliedReportingOverflow(by: unit)
        let (span, spanOverflow) = step.multipliedReportingOverflow(by: Int64(count - 1))
        let (last, lastOverflow) = first.addingReportingOverflow(span)
        guard !overflow && !spanOverflow && !lastOverflow && Timestamp(microseconds: last).isRepresentable else {
            throw reader.error(.invalidField, "step", at: start)
        }
        return step
    }

    /// - Returns: Where the run ends.
    private static func decodeRun(
        _ reader: inout ByteReader, from start: Int, of count: Int, into chunk: inout ChunkBuffer
    ) throws(WireError) -> Int {
        let position = reader.position
        let length = try reader.count(limit: count - start, "run")
        guard length > 0 else { throw reader.error(.invalidField, "run", at: position) }
        let shapeStart = reader.position
        let shape = try reader.byte("shape")
        let type = shape & Codec.Shape.typeMask
        let isConstant = shape & Codec.Shape.constant != 0
        guard shape & Codec.Shape.reserved == 0, type <= (isConstant ? Codec.Shape.decimal : Codec.Shape.nearDecimal) else {
            throw reader.error(.invalidField, "shape", at: shapeStart)
        }
        guard isConstant || length <= 8 * reader.remaining else { throw reader.error(.truncated, "run", at: position) }
        if chunk.count < start + length { chunk.extend(to: start + length) }
        let run = start..<start + length
        if type != Codec.Shape.string { chunk.forgetText() }
        if isConstant {
            let payload = try constant(type, &reader, &chunk)
            try fill(&chunk, run) { entries throws(WireError) in
                for index in entries.indices { entries[index].setValue(type, payload) }
            }
        } else {
            try decodeVarying(type, &reader, run, &chunk)
        }
        return run.upperBound
    }

    private static func constant(_ type: UInt8, _ reader: inout ByteReader, _ chunk: inout ChunkBuffer) throws(WireError) -> UInt64 {
        let start = reader.position
        switch type {
        case Codec.Shape.double: return try reader.fixed64("value")
        case Codec.Shape.int: return UInt64(bitPattern: try reader.zigzag("value"))
        case Codec.Shape.bool:
            let flag = try reader.byte("value")
            guard flag <= 1 else { throw reader.error(.invalidField, "value", at: start) }
            return UInt64(flag)
        case Codec.Shape.string: return try text(&reader, &chunk)
        default:
            let exponent = try reader.exponent()
            let mantissaStart = reader.position
            let mantissa = try reader.zigzag("value")
            guard mantissa.magnitude <= DecimalDouble.columnMantissaLimit.magnitude else {
                throw reader.error(.invalidField, "value", at: mantissaStart)
            }
            return DecimalDouble.value(mantissa: mantissa, exponent: exponent).bitPattern
        }
    }

    private static func text(_ reader: inout ByteReader, _ chunk: inout ChunkBuffer) throws(WireError) -> UInt64 {
        let start = reader.position
        guard let slice = chunk.appendText(try reader.stringValue()) else { throw reader.error(.limitExceeded, "value", at: start) }
        return slice.packed
    }

    private static func decodeVarying(
        _ type: UInt8, _ reader: inout ByteReader, _ run: Range<Int>, _ chunk: inout ChunkBuffer
    ) throws(WireError) {
        if type == Codec.Shape.string {
            for index in run { chunk.entries[index].setValue(type, try text(&reader, &chunk)) }
            return
        }
        try fill(&chunk, run) { entries throws(WireError) in
            for index in entries.indices { entries[index].setValue(type, 0) }
            switch type {
            case Codec.Shape.int: try reader.integerColumn(into: entries)
            case Codec.Shape.decimal: try reader.decimalColumn(into: entries)
            case Codec.Shape.nearDecimal: try reader.nearDecimalColumn(into: entries)
            case Codec.Shape.bool: try reader.boolColumn(into: entries)
            default: try reader.doubleColumn(into: entries)
            }
        }
    }

    private static func decodeQualities(_ reader: inout ByteReader, _ flags: UInt8, into chunk: inout ChunkBuffer) throws(WireError) {
        guard flags & Codec.Flags.qualities != 0 else { return }
        var done = 0
        while done < chunk.count {
            let start = reader.position
            let length = try reader.count(limit: chunk.count - done, "quality")
            guard length > 0 else { throw reader.error(.invalidField, "quality", at: start) }
            let quality = try reader.byte("quality")
            for index in done..<done + length { chunk.entries[index].quality = quality }
            done += length
        }
    }

    /// Runs `body` over the entries of a range.
    @inline(__always)
    private static func fill(
        _ chunk: inout ChunkBuffer, _ range: Range<Int>, _ body: (ByteReader.Entries) throws(WireError) -> Void
    ) throws(WireError) {
        try chunk.entries.withUnsafeMutableBufferPointer { (all: inout ByteReader.Entries) throws(WireError) in
            try body(ByteReader.Entries(rebasing: all[range]))
        }
    }
}

extension TelemetryBuffer.Entry {
    /// Kind by the type of a run; good quality until the chunk says otherwise.
    @inline(__always)
    fileprivate mutating func setValue(_ type: UInt8, _ value: UInt64) {
        payload = value
        traits = TelemetryBuffer.Traits(series: 0, kind: TelemetryBuffer.ValueKind(rawValue: type) ?? .double, quality: 0)
    }
}
