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
        try batch.fillEntries(run.samples, &reader) { (entries, reader) throws(WireError) in
            try reader.timeColumn(first: first, unit: unit, into: entries)
        }
    }

    private static func decodeValues(_ reader: inout ByteReader, _ run: Run, _ batch: inout TelemetryBuffer) throws(WireError) {
        if run.type == RunShape.string {
            for index in run.samples {
                let string = try reader.stringValue()
                batch.entries[index].payload = batch.arena.append(string).packed
            }
            return
        }
        try batch.fillEntries(run.samples, &reader) { (entries, reader) throws(WireError) in
            switch run.type {
            case RunShape.int: try reader.integerColumn(into: entries)
            case RunShape.decimal: try reader.decimalColumn(into: entries)
            case RunShape.bool: try reader.boolColumn(into: entries)
            default: try reader.doubleColumn(into: entries)
            }
        }
    }
}

extension TelemetryBuffer {
    /// Appends `count` entries that are alike but for their quality, when `qualities` are given. Their times and payloads are still
    /// to be read.
    fileprivate mutating func append(_ template: Entry, count new: Int, qualities: UnsafeRawBufferPointer?) {
        if entries.count < count + new { entries.append(contentsOf: repeatElement(template, count: count + new - entries.count)) }
        entries.withUnsafeMutableBufferPointer { entries in
            for index in count..<count + new { entries[index].traits = template.traits }
            if let qualities { for index in 0..<new { entries[count + index].quality = qualities[index] } }
        }
        count += new
    }

    /// Runs `body` over the entries of a run.
    @inline(__always)
    fileprivate mutating func fillEntries(
        _ run: Range<Int>, _ reader: inout ByteReader, _ body: (ByteReader.Entries, inout ByteReader) throws(WireError) -> Void
    ) throws(WireError) {
        try entries.withUnsafeMutableBufferPointer { (all: inout ByteReader.Entries) throws(WireError) in
            try body(ByteReader.Entries(rebasing: all[run]), &reader)
        }
    }
}
