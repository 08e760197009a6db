/// Columns as batches and chunks have them, from anything that can be indexed. Layout: FORMAT.md, "Times" and "Values".
extension ByteWriter {
    /// Differences of the differences between times, in units; the first time stands elsewhere.
    @inline(__always)
    mutating func timeColumn(_ count: Int, unit: Int64, _ time: (Int) -> Int64) {
        var bits = BitWriter()
        var (previous, delta): (Int64, Int64) = (time(0), 0)
        for index in 1..<max(1, count) {
            let next = time(index)
            let newDelta = (next - previous) / unit
            bits.signed(newDelta - delta, to: &self)
            (previous, delta) = (next, newDelta)
        }
        bits.finish(&self)
    }

    @inline(__always)
    mutating func integerColumn(_ count: Int, _ number: (Int) -> Int64) {
        var previous = number(0)
        zigzag(previous)
        var bits = BitWriter()
        for index in 1..<max(1, count) {
            let next = number(index)
            bits.signed(next &- previous, to: &self)
            previous = next
        }
        bits.finish(&self)
    }

    @inline(__always)
    mutating func doubleColumn(_ count: Int, _ pattern: (Int) -> UInt64) {
        var bits = BitWriter()
        var gorilla = GorillaEncoder()
        for index in 0..<count { gorilla.write(pattern(index), to: &bits, &self) }
        bits.finish(&self)
    }

    @inline(__always)
    mutating func boolColumn(_ count: Int, _ flag: (Int) -> UInt64) {
        var bits = BitWriter()
        for index in 0..<count { bits.write(flag(index), 1, to: &self) }
        bits.finish(&self)
    }
}

extension DecimalDouble {
    /// The exponent with which every value is an exact decimal; nil when one is not.
    @inline(__always)
    static func commonExponent(_ count: Int, _ value: (Int) -> Double) -> Int? {
        var (exponent, lastRise) = (0, 0)
        for index in 0..<count {
            while mantissa(value(index), exponent: exponent, limit: columnMantissaLimit) == nil {
                (exponent, lastRise) = (exponent + 1, index)
                if exponent > maximumExponent { return nil }
            }
        }
        // What was exact with a smaller exponent need not be with this one: its mantissa may be too long.
        for index in 0..<lastRise where mantissa(value(index), exponent: exponent, limit: columnMantissaLimit) == nil { return nil }
        return exponent
    }
}
