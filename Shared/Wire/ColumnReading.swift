import Domain

/// The other way round: columns into the fields of entries. Layout: FORMAT.md, "Times" and "Values".
extension ByteReader {
    typealias Entries = UnsafeMutableBufferPointer<TelemetryBuffer.Entry>

    mutating func timeColumn(first: Int64, unit: Int64, into entries: Entries) throws(WireError) {
        var bits = BitReader(self, "time")
        var rhythm = Rhythm(time: first, unit: unit)
        entries[0].time = first
        var index = 1
        while index < entries.count {
            let change = try bits.signed()
            rhythm.change(by: change)
            // A steady rhythm is a row of zeros.
            let end = index &+ 1 &+ (change == 0 ? bits.zeros(limit: entries.count &- index &- 1) : 0)
            guard rhythm.staysInRange(for: end &- index) else { throw bits.error(.invalidField) }
            while index < end {
                entries[index].time = rhythm.next()
                index &+= 1
            }
            // The first change only sets the rhythm.
            if change != 0 && index > 2 { shortTimes(&bits, &rhythm, &index, entries) }
        }
        skip(to: bits.end)
    }

    @inline(__always)
    private func shortTimes(_ bits: inout BitReader, _ rhythm: inout Rhythm, _ index: inout Int, _ entries: Entries) {
        bits.shortCodes(&index, until: entries.count, isSafe: { rhythm.isFarFromLimits }) { index, pair in
            rhythm.change(by: Int64(pair.first))
            entries[index].time = rhythm.next()
            // When there is no second code, the next one writes here again.
            let after = rhythm.changed(by: Int64(pair.sum &- pair.first))
            entries[index &+ 1].time = after.time
            if pair.count == 2 { rhythm = after }
        }
    }

    /// An integer column, each number as `payload` makes it.
    /// - Parameter limit: No number's magnitude is above it.
    @inline(__always)
    private mutating func numbers(into entries: Entries, _ limit: UInt64, _ payload: (Int64) -> UInt64) throws(WireError) {
        let start = position
        var number = try zigzag("value")
        guard number.magnitude <= limit else { throw error(.invalidField, "value", at: start) }
        var bits = BitReader(self, "value")
        entries[0].payload = payload(number)
        var index = 1
        while index < entries.count {
            number = number &+ (try bits.signed())
            guard number.magnitude <= limit else { throw bits.error(.invalidField) }
            entries[index].payload = payload(number)
            index &+= 1
            shortNumbers(&bits, &number, &index, limit, entries, payload)
        }
        skip(to: bits.end)
    }

    @inline(__always)
    private func shortNumbers(
        _ bits: inout BitReader, _ number: inout Int64, _ index: inout Int, _ limit: UInt64, _ entries: Entries,
        _ payload: (Int64) -> UInt64
    ) {
        let reach = UInt64(ShortCodes.blockCodes) * UInt64(ShortCodes.largest)
        bits.shortCodes(&index, until: entries.count, isSafe: { limit == .max || number.magnitude &+ reach <= limit }) { index, pair in
            entries[index].payload = payload(number &+ Int64(pair.first))
            number = number &+ Int64(pair.sum)
            // When there is no second code, the next one writes here again.
            entries[index &+ 1].payload = payload(number)
        }
    }

    mutating func integerColumn(into entries: Entries) throws(WireError) {
        try numbers(into: entries, .max) { UInt64(bitPattern: $0) }
    }

    mutating func decimalColumn(into entries: Entries) throws(WireError) {
        let power = DecimalDouble.power(try exponent())
        try numbers(into: entries, DecimalDouble.columnMantissaLimit.magnitude) { (Double($0) / power).bitPattern }
    }

    mutating func exponent() throws(WireError) -> Int {
        let start = position
        let exponent = Int(try byte("exponent"))
        guard exponent <= DecimalDouble.maximumExponent else { throw error(.invalidField, "exponent", at: start) }
        return exponent
    }

    mutating func doubleColumn(into entries: Entries) throws(WireError) {
        var bits = BitReader(self, "value")
        var gorilla = GorillaDecoder()
        for index in entries.indices { entries[index].payload = try gorilla.read(&bits) }
        skip(to: bits.end)
    }

    mutating func boolColumn(into entries: Entries) throws(WireError) {
        var bits = BitReader(self, "value")
        for index in entries.indices { entries[index].payload = try bits.read(1) }
        skip(to: bits.end)
    }
}
