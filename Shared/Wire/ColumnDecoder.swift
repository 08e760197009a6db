import Domain

/// Reads the name table and the runs of a batch. Layout: FORMAT.md, "Columns".
enum ColumnDecoder {
    static func decode(_ reader: inout ByteReader, into batch: inout TelemetryBuffer) throws(WireError) {
        try decodeNames(&reader, into: &batch)
        let start = reader.position
        let runs = try reader.count(limit: WireLimits.samplesPerBatch, "runs")
        guard runs > 0 else { throw reader.error(.invalidField, "runs", at: start) }
        var previous = 0..<0
        for _ in 0..<runs { previous = try decodeRun(&reader, previous, into: &batch) }
    }

    /// Memory grows with the names that are really there, not with their announced number.
    private static func decodeNames(_ reader: inout ByteReader, into batch: inout TelemetryBuffer) throws(WireError) {
        let start = reader.position
        let names = try reader.count(limit: WireLimits.samplesPerBatch, "names")
        guard names > 0 else { throw reader.error(.invalidField, "names", at: start) }
        for _ in 0..<names {
            let metric = try reader.metric()
            let unit = try reader.unit()
            _ = batch.catalogue.add(metric: batch.arena.append(metric), unit: batch.arena.append(unit))
        }
    }

    private struct Run {
        var samples: Range<Int>
        var type: UInt8
        var timeCode: UInt8
    }

    private static func decodeRun(
        _ reader: inout ByteReader, _ previous: Range<Int>, into batch: inout TelemetryBuffer
    ) throws(WireError) -> Range<Int> {
        let nameStart = reader.position
        let name = try reader.varint("name")
        guard name < UInt64(batch.seriesCount) else { throw reader.error(.invalidField, "name", at: nameStart) }
        let countStart = reader.position
        let count = try reader.count(limit: WireLimits.samplesPerBatch - batch.count, "count")
        // A sample takes a bit at least.
        guard count > 0 else { throw reader.error(.invalidField, "count", at: countStart) }
        guard count <= 8 * reader.remaining else { throw reader.error(.truncated, "count", at: countStart) }
        let shapeStart = reader.position
        let shape = try reader.byte("shape")
        let type = shape & RunShape.typeMask
        let bothQualities = RunShape.constantQuality | RunShape.qualityColumn
        guard type <= RunShape.decimal, shape & RunShape.reserved == 0, shape & bothQualities != bothQualities else {
            throw reader.error(.invalidField, "shape", at: shapeStart)
        }
        let timeCode = (shape & RunShape.timeMask) >> RunShape.timeShift
        guard timeCode != RunShape.sameTimes || previous.count == count else { throw reader.error(.invalidField, "shape", at: shapeStart) }
        let constant = shape & RunShape.constantQuality != 0 ? try reader.byte("quality") : 0
        let column = shape & RunShape.qualityColumn != 0 ? try reader.slice(count, "quality") : nil
        let run = Run(samples: batch.count..<batch.count + count, type: type, timeCode: timeCode)
        let kind = type == RunShape.decimal ? TelemetryBuffer.ValueKind.double : TelemetryBuffer.ValueKind(rawValue: type) ?? .double
        let template = TelemetryBuffer.Entry(
            time: 0, payload: 0, series: UInt16(truncatingIfNeeded: name), kind: kind, quality: constant)
        batch.append(template, count: count, qualities: column)
        try decodeTimes(&reader, run, previous, &batch)
        try decodeValues(&reader, run, &batch)
        return run.samples
    }

    private static func decodeTimes(
        _ reader: inout ByteReader, _ run: Run, _ previous: Range<Int>, _ batch: inout TelemetryBuffer
    ) throws(WireError) {
        if run.timeCode == RunShape.sameTimes {
            for index in 0..<run.samples.count {
                batch.entries[run.samples.lowerBound + index].time = batch.entries[previous.lowerBound + index].time
            }
            return
        }
        let first = try reader.time(relativeTo: batch.ingestTime, "time").microseconds
        let unit = RunShape.timeUnit(run.timeCode)
        try batch.fillEntries(run.samples, &reader, "time") { (entries, bits) throws(WireError) in
            var (time, delta): (Int64, Int64) = (first, 0)
            entries[0].time = first
            for index in 1..<max(1, entries.count) {
                delta = delta &+ (try bits.signed())
                time = time &+ delta &* unit
                guard Timestamp(microseconds: time).isRepresentable else { throw bits.error(.invalidField) }
                entries[index].time = time
            }
        }
    }

    private static func decodeValues(_ reader: inout ByteReader, _ run: Run, _ batch: inout TelemetryBuffer) throws(WireError) {
        switch run.type {
        case RunShape.int:
            try decodeIntegers(&reader, run, &batch) { UInt64(bitPattern: $0) }
        case RunShape.decimal:
            let start = reader.position
            let exponent = Int(try reader.byte("exponent"))
            guard exponent <= DecimalDouble.maximumExponent else { throw reader.error(.invalidField, "exponent", at: start) }
            try decodeIntegers(&reader, run, &batch) {
                guard $0.magnitude <= DecimalDouble.columnMantissaLimit.magnitude else { return nil }
                return DecimalDouble.value(mantissa: $0, exponent: exponent).bitPattern
            }
        case RunShape.bool:
            try batch.fillEntries(run.samples, &reader, "value") { (entries, bits) throws(WireError) in
                for index in entries.indices { entries[index].payload = try bits.read(1) }
            }
        case RunShape.string:
            for index in run.samples {
                let string = try reader.stringValue()
                batch.entries[index].payload = batch.arena.append(string).packed
            }
        default:
            try batch.fillEntries(run.samples, &reader, "value") { (entries, bits) throws(WireError) in
                var gorilla = GorillaDecoder()
                for index in entries.indices { entries[index].payload = try gorilla.read(&bits) }
            }
        }
    }

    /// First value as zig-zag varint, then differences in the signed code. `payload` is nil for a value that cannot be.
    @inline(__always)
    private static func decodeIntegers(
        _ reader: inout ByteReader, _ run: Run, _ batch: inout TelemetryBuffer, _ payload: (Int64) -> UInt64?
    ) throws(WireError) {
        let start = reader.position
        var number = try reader.zigzag("value")
        guard let first = payload(number) else { throw reader.error(.invalidField, "value", at: start) }
        try batch.fillEntries(run.samples, &reader, "value") { (entries, bits) throws(WireError) in
            entries[0].payload = first
            for index in 1..<max(1, entries.count) {
                number = number &+ (try bits.signed())
                guard let next = payload(number) else { throw bits.error(.invalidField) }
                entries[index].payload = next
            }
        }
    }
}

extension TelemetryBuffer {
    /// Appends `count` entries that are alike but for their quality, when `qualities` are given.
    fileprivate mutating func append(_ template: Entry, count new: Int, qualities: UnsafeRawBufferPointer?) {
        if entries.count < count + new { entries.append(contentsOf: repeatElement(template, count: count + new - entries.count)) }
        entries.withUnsafeMutableBufferPointer { entries in
            for index in 0..<new {
                entries[count + index] = template
                if let qualities { entries[count + index].quality = qualities[index] }
            }
        }
        count += new
    }

    /// Runs `body` over the entries of a run and a bit stream that starts at the reader's position; moves the reader past it.
    @inline(__always)
    fileprivate mutating func fillEntries(
        _ run: Range<Int>, _ reader: inout ByteReader, _ field: StaticString,
        _ body: (inout UnsafeMutableBufferPointer<Entry>, inout BitReader) throws(WireError) -> Void
    ) throws(WireError) {
        var bits = BitReader(reader, field)
        try entries.withUnsafeMutableBufferPointer { (all: inout UnsafeMutableBufferPointer<Entry>) throws(WireError) in
            var entries = UnsafeMutableBufferPointer(rebasing: all[run])
            try body(&entries, &bits)
        }
        reader.skip(to: bits.end)
    }
}
