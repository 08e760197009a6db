import Domain

/// Bits of the byte that describes a run.
enum RunShape {
    static let double: UInt8 = 0
    static let int: UInt8 = 1
    static let bool: UInt8 = 2
    static let string: UInt8 = 3
    static let decimal: UInt8 = 4
    static let typeMask: UInt8 = 0b0000_0111
    static let timeShift: UInt8 = 3
    static let timeMask: UInt8 = 0b0001_1000
    /// Time code 3: the times are those of the run before.
    static let sameTimes: UInt8 = 3
    static let constantQuality: UInt8 = 0b0010_0000
    static let qualityColumn: UInt8 = 0b0100_0000
    static let reserved: UInt8 = 0b1000_0000

    /// Microseconds per unit of time codes 0, 1, 2.
    static func timeUnit(_ code: UInt8) -> Int64 { code == 0 ? 1 : code == 1 ? 1_000 : 1_000_000 }
}

/// Writes the name table and the runs of a batch. Layout: FORMAT.md, "Columns".
struct ColumnEncoder {
    let batch: BatchView

    func encode(_ writer: inout ByteWriter, _ scratch: inout GroupingScratch) {
        writer.varint(UInt64(batch.series.count))
        for series in batch.series {
            writer.sized(batch.text[series.metric])
            writer.sized(batch.text[series.unit])
        }
        let entries = batch.entries
        let isOrdered = batch.sequence?.scope == .sample || entries.allSatisfy { $0.isOfSameRun(as: entries[0]) }
        scratch.withOrder(of: entries, series: batch.series.count, isOrdered: isOrdered) { order in
            encodeRuns(Samples(entries: entries, order: order), &writer)
        }
    }

    /// The batch's entries in encoded order.
    struct Samples {
        let entries: UnsafeBufferPointer<TelemetryBuffer.Entry>
        let order: UnsafeBufferPointer<Int32>

        var count: Int { order.count }
        @inline(__always)
        subscript(_ index: Int) -> TelemetryBuffer.Entry { entries[Int(order[index])] }

        /// End of the stretch of equal series and type that begins at `start`.
        func runEnd(from start: Int) -> Int {
            let first = self[start]
            var end = start + 1
            while end < count && self[end].isOfSameRun(as: first) { end += 1 }
            return end
        }
    }

    private func encodeRuns(_ samples: Samples, _ writer: inout ByteWriter) {
        var runs = 0
        var start = 0
        while start < samples.count {
            start = samples.runEnd(from: start)
            runs += 1
        }
        writer.varint(UInt64(runs))
        start = 0
        var previous = 0..<0
        while start < samples.count {
            let run = start..<samples.runEnd(from: start)
            encodeRun(samples, run, previous, &writer)
            (previous, start) = (run, run.upperBound)
        }
    }

    private func encodeRun(_ samples: Samples, _ run: Range<Int>, _ previous: Range<Int>, _ writer: inout ByteWriter) {
        let first = samples[run.lowerBound]
        writer.varint(UInt64(first.series))
        writer.varint(UInt64(run.count))
        let exponent =
            first.kind == .double
            ? DecimalDouble.commonExponent(run.count) { Double(bitPattern: samples[run.lowerBound + $0].payload) } : nil
        let timeCode = timeCode(samples, run, previous)
        var shape = exponent != nil ? RunShape.decimal : first.kind.rawValue
        shape |= timeCode << RunShape.timeShift
        let isConstant = run.allSatisfy { samples[$0].quality == first.quality }
        if !isConstant { shape |= RunShape.qualityColumn } else if first.quality != 0 { shape |= RunShape.constantQuality }
        writer.byte(shape)
        if !isConstant {
            for index in run { writer.byte(samples[index].quality) }
        } else if first.quality != 0 {
            writer.byte(first.quality)
        }
        let start = run.lowerBound
        if timeCode != RunShape.sameTimes {
            writer.zigzag(first.time &- batch.ingestTime)
            writer.timeColumn(run.count, unit: RunShape.timeUnit(timeCode)) { samples[start + $0].time }
        }
        encodeValues(samples, run, exponent, &writer)
    }

    private func encodeValues(_ samples: Samples, _ run: Range<Int>, _ exponent: Int?, _ writer: inout ByteWriter) {
        let start = run.lowerBound
        switch samples[start].kind {
        case .double:
            guard let exponent else { return writer.doubleColumn(run.count) { samples[start + $0].payload } }
            writer.byte(UInt8(exponent))
            writer.integerColumn(run.count) {
                // `commonExponent` has seen that it is one.
                let value = Double(bitPattern: samples[start + $0].payload)
                return DecimalDouble.mantissa(value, exponent: exponent, limit: DecimalDouble.columnMantissaLimit) ?? 0
            }
        case .int: writer.integerColumn(run.count) { Int64(bitPattern: samples[start + $0].payload) }
        case .bool: writer.boolColumn(run.count) { samples[start + $0].payload }
        case .string: for index in run { writer.sized(batch.text[TextArena.Slice(packed: samples[index].payload)]) }
        }
    }

    /// 3 when the times are those of the run before, else the coarsest unit that divides every difference.
    private func timeCode(_ samples: Samples, _ run: Range<Int>, _ previous: Range<Int>) -> UInt8 {
        if previous.count == run.count && zip(run, previous).allSatisfy({ samples[$0].time == samples[$1].time }) {
            return RunShape.sameTimes
        }
        var code: UInt8 = 2
        let base = samples[run.lowerBound].time
        for index in run {
            let difference = samples[index].time - base
            while code > 0 && difference % RunShape.timeUnit(code) != 0 { code -= 1 }
            if code == 0 { break }
        }
        return code
    }
}
