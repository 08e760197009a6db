import Domain

extension TelemetryCodec {
    static func encodeSingle(_ batch: BatchView, _ writer: inout ByteWriter) {
        let (entry, text) = (batch.entries[0], batch.text)
        let series = batch.series[Int(entry.series)]
        writer.sized(text[series.metric])
        writer.zigzag(entry.time &- batch.ingestTime)
        var options: UInt8 = series.unit.count > 0 ? SingleValue.unit : 0
        if entry.quality != 0 { options |= SingleValue.quality }
        switch entry.value(text) {
        case .double(let number):
            if let (mantissa, exponent) = DecimalDouble.shortest(number) {
                writer.byte(options | SingleValue.decimal | UInt8(exponent) << SingleValue.exponentShift)
                writer.zigzag(mantissa)
            } else {
                writer.byte(options | SingleValue.double)
                writer.fixed64(number.bitPattern)
            }
        case .int(let number):
            writer.byte(options | SingleValue.int)
            writer.zigzag(number)
        case .bool(let flag):
            writer.byte(options | (flag ? SingleValue.yes : SingleValue.no))
        case .string(let bytes):
            writer.byte(options | SingleValue.string)
            writer.sized(bytes)
        }
        if series.unit.count > 0 { writer.sized(text[series.unit]) }
        if entry.quality != 0 { writer.byte(entry.quality) }
    }

    static func decodeSingle(_ reader: inout ByteReader, into batch: inout TelemetryBuffer) throws(WireError) {
        let metric = try reader.metric()
        let time = try reader.time(relativeTo: batch.ingestTime, "time")
        let start = reader.position
        let options = try reader.byte("value_type")
        let type = options & SingleValue.typeMask
        let exponent = options & SingleValue.exponentMask
        guard type <= SingleValue.decimal && (type == SingleValue.decimal || exponent == 0) else {
            throw reader.error(.invalidField, "value_type", at: start)
        }
        let value = try singleValue(type, exponent: Int(exponent >> SingleValue.exponentShift), &reader)
        var unit = UnsafeRawBufferPointer(start: nil, count: 0)
        if options & SingleValue.unit != 0 {
            let unitStart = reader.position
            unit = try reader.unit()
            if unit.isEmpty { throw reader.error(.invalidField, "unit", at: unitStart) }
        }
        let quality = options & SingleValue.quality != 0 ? try reader.byte("quality") : 0
        let series = batch.catalogue.add(metric: batch.arena.append(metric), unit: batch.arena.append(unit))
        batch.append(
            TelemetryBuffer.Entry(
                time: time.microseconds, series: UInt16(truncatingIfNeeded: series), quality: Quality(rawValue: quality), value: value,
                arena: &batch.arena))
    }

    private static func singleValue(_ type: UInt8, exponent: Int, _ reader: inout ByteReader) throws(WireError) -> ValueRef {
        switch type {
        case SingleValue.double: return .double(Double(bitPattern: try reader.fixed64("value")))
        case SingleValue.int: return .int(try reader.zigzag("value"))
        case SingleValue.no: return .bool(false)
        case SingleValue.yes: return .bool(true)
        case SingleValue.string: return .string(try reader.stringValue())
        default:
            let start = reader.position
            let mantissa = try reader.zigzag("value")
            guard mantissa.magnitude <= DecimalDouble.columnMantissaLimit.magnitude else {
                throw reader.error(.invalidField, "value", at: start)
            }
            return .double(DecimalDouble.value(mantissa: mantissa, exponent: exponent))
        }
    }
}
