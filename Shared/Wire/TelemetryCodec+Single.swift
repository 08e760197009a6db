import Domain

extension TelemetryCodec {
    /// What surrounds the texts of a message of one sample takes at most: header, sequence, time of intake, source, time, type,
    /// value, quality and four lengths.
    private static var singleOverhead: Int { 4 + 20 + 8 + 1 + 10 + 1 + 10 + 1 + 4 * 2 + ShortWriter.slack }

    /// The same work as for columns, but for one sample everything that is done per message counts.
    static func encodeSingle(_ batch: TelemetryBuffer, into output: inout WireBuffer) throws(WireError) {
        try output.replaceShort(bound: singleOverhead + batch.arena.count) { start in
            batch.arena.withBytes { text in writeSingle(batch, text, start) }
        }
    }

    /// - Returns: Where the message ends.
    @inline(__always)
    private static func writeSingle(
        _ batch: TelemetryBuffer, _ text: UnsafeRawBufferPointer, _ start: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        let entry = batch.entries[0]
        let series = batch.catalogue.series[Int(entry.series)]
        var writer = ShortWriter(start)
        writer.header(schema, flags: sequenceFlags(batch.sequence))
        writer.sized(text, batch.device)
        if let sequence = batch.sequence {
            writer.varint(sequence.stream)
            writer.varint(sequence.first)
        }
        writer.fixed64(UInt64(bitPattern: batch.ingestTime.microseconds))
        writer.byte(batch.source.rawValue)
        writer.sized(text, series.metric)
        writer.zigzag(entry.time &- batch.ingestTime.microseconds)
        var options: UInt8 = series.unit.count > 0 ? SingleValue.unit : 0
        if entry.quality != 0 { options |= SingleValue.quality }
        switch entry.kind {
        case .double: writer.double(entry.payload, options)
        case .int:
            writer.byte(options | SingleValue.int)
            writer.zigzag(Int64(bitPattern: entry.payload))
        case .bool:
            writer.byte(options | (entry.payload != 0 ? SingleValue.yes : SingleValue.no))
        case .string:
            writer.byte(options | SingleValue.string)
            writer.sized(text, TextArena.Slice(packed: entry.payload))
        }
        if series.unit.count > 0 { writer.sized(text, series.unit) }
        if entry.quality != 0 { writer.byte(entry.quality) }
        return writer.next
    }

    /// The message lies in the batch's arena already, so that texts are places in it.
    @inline(__always)
    static func decodeSingle(_ reader: inout ByteReader, into batch: inout TelemetryBuffer) throws(WireError) {
        let name = try reader.metric()
        let metric = TextArena.Slice(name, by: reader)
        let time = try reader.time(relativeTo: batch.ingestTime, "time")
        let start = reader.position
        let options = try reader.byte("value_type")
        guard let (kind, payload) = try decodeValue(&reader, options) else {
            throw reader.error(.invalidField, "value_type", at: start)
        }
        var unit = TextArena.Slice(offset: 0, count: 0)
        if options & SingleValue.unit != 0 {
            let unitStart = reader.position
            let text = try reader.unit()
            unit = TextArena.Slice(text, by: reader)
            if text.isEmpty { throw reader.error(.invalidField, "unit", at: unitStart) }
        }
        let quality = options & SingleValue.quality != 0 ? try reader.byte("quality") : 0
        _ = batch.catalogue.add(metric: metric, unit: unit)
        batch.append(TelemetryBuffer.Entry(time: time.microseconds, payload: payload, series: 0, kind: kind, quality: quality))
    }

    /// - Returns: nil when there is no such type.
    @inline(__always)
    private static func decodeValue(
        _ reader: inout ByteReader, _ options: UInt8
    ) throws(WireError) -> (TelemetryBuffer.ValueKind, payload: UInt64)? {
        let type = options & SingleValue.typeMask
        let exponent = Int(options & SingleValue.exponentMask) >> SingleValue.exponentShift
        if type == SingleValue.decimal {
            let start = reader.position
            let mantissa = try reader.zigzag("value")
            guard mantissa.magnitude <= DecimalDouble.columnMantissaLimit.magnitude else {
                throw reader.error(.invalidField, "value", at: start)
            }
            return (.double, DecimalDouble.value(mantissa: mantissa, exponent: exponent).bitPattern)
        }
        guard exponent == 0 else { return nil }
        switch type {
        case SingleValue.double: return (.double, try reader.fixed64("value"))
        case SingleValue.int: return (.int, UInt64(bitPattern: try reader.zigzag("value")))
        case SingleValue.no: return (.bool, 0)
        case SingleValue.yes: return (.bool, 1)
        case SingleValue.string:
            let text = try reader.stringValue()
            return (.string, TextArena.Slice(text, by: reader).packed)
        default: return nil
        }
    }
}

extension ShortWriter {
    @inline(__always)
    fileprivate mutating func double(_ pattern: UInt64, _ options: UInt8) {
        typealias SingleValue = TelemetryCodec.SingleValue
        if let (mantissa, exponent) = DecimalDouble.shortest(Double(bitPattern: pattern)) {
            byte(options | SingleValue.decimal | UInt8(truncatingIfNeeded: exponent) << SingleValue.exponentShift)
            zigzag(mantissa)
        } else {
            byte(options | SingleValue.double)
            fixed64(pattern)
        }
    }
}
