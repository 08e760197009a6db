/// Doubles that lie a few units in the last place beside short decimals, as sums and means of readings do: a decimal column, and
/// how far off each value's bits are. Bits off by any distance are possible, so every double has this form; it is only good
/// when most are near.
struct NearDecimals {
    private let run: UnsafeBufferPointer<TelemetryBuffer.Entry>
    private let exponent: Int
    /// Of the exponent and both columns.
    let byteCount: Int

    /// The exponent is chosen by the first values.
    private static let sampled = 32

    init(_ run: UnsafeBufferPointer<TelemetryBuffer.Entry>) {
        self.run = run
        let head = UnsafeBufferPointer(rebasing: run[..<min(run.count, Self.sampled)])
        var best = (exponent: 0, bits: Int.max)
        for exponent in 0...DecimalDouble.maximumExponent {
            let cost = Self.cost(head, exponent)
            if cost.mantissas + cost.distances < best.bits { best = (exponent, cost.mantissas + cost.distances) }
        }
        exponent = best.exponent
        let cost = Self.cost(run, exponent)
        byteCount = 1 + cost.first + (cost.mantissas + 7) / 8 + (cost.distances + 7) / 8
    }

    /// - Returns: Bytes of the first mantissa, bits of the others, bits of the distances.
    private static func cost(
        _ run: UnsafeBufferPointer<TelemetryBuffer.Entry>, _ exponent: Int
    ) -> (first: Int, mantissas: Int, distances: Int) {
        var near = Near(exponent)
        var (first, mantissas, distances) = (0, 0, 0)
        for (index, entry) in run.enumerated() {
            let before = near.mantissa
            near.move(to: entry.payload)
            if index == 0 {
                first = Varint.length(zigzagEncoded(near.mantissa))
            } else {
                mantissas += BitWriter.signedLength(near.mantissa &- before)
            }
            distances += BitWriter.signedLength(near.distance)
        }
        return (first, mantissas, distances)
    }

    func write(_ writer: inout ByteWriter) {
        writer.byte(UInt8(exponent))
        var near = Near(exponent)
        writer.integerColumn(run.count) {
            near.move(to: run[$0].payload)
            return near.mantissa
        }
        var bits = BitWriter()
        near = Near(exponent)
        for entry in run {
            near.move(to: entry.payload)
            bits.signed(near.distance, to: &writer)
        }
        bits.finish(&writer)
    }

    /// The decimal beside a value, and the distance. What has none (too large, not a number) keeps the mantissa before.
    private struct Near {
        let exponent: Int
        var mantissa: Int64 = 0
        var distance: Int64 = 0

        init(_ exponent: Int) { self.exponent = exponent }

        @inline(__always)
        mutating func move(to pattern: UInt64) {
            let value = Double(bitPattern: pattern)
            mantissa = DecimalDouble.nearestMantissa(value, exponent: exponent, limit: DecimalDouble.columnMantissaLimit) ?? mantissa
            distance = Int64(bitPattern: pattern &- DecimalDouble.value(mantissa: mantissa, exponent: exponent).bitPattern)
        }
    }
}

extension ByteReader {
    mutating func nearDecimalColumn(into entries: Entries) throws(WireError) {
        try decimalColumn(into: entries)
        var bits = BitReader(self, "value")
        for index in entries.indices { entries[index].payload &+= UInt64(bitPattern: try bits.signed()) }
        skip(to: bits.end)
    }
}
