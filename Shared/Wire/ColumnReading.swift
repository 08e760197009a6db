import Domain

/// The other way round: columns into the fields of entries. Layout: FORMAT.md, "Times" and "Values".
extension ByteReader {
    typealias Entries = UnsafeMutableBufferPointer<TelemetryBuffer.Entry>

    mutating func timeColumn(first: Int64, unit: Int64, into entries: Entries) throws(WireError) {
        var bits = BitReader(self, "time")
        var (time, delta): (Int64, Int64) = (first, 0)
        entries[0].time = first
        var index = 1
        while index < entries.count {
            let change = try bits.signed()
            delta = delta &+ change
            // A steady rhythm is a row of zeros.
            let steady = change == 0 ? bits.zeros(limit: entries.count - index - 1) : 0
            for _ in 0...steady {
                time = time &+ delta &* unit
                guard Timestamp(microseconds: time).isRepresentable else { throw bits.error(.invalidField) }
                entries[index].time = time
                index &+= 1
            }
        }
        skip(to: bits.end)
    }

    /// `payload` is nil for a number that cannot be.
    @inline(__always)
    private mutating func numbers(into entries: Entries, _ payload: (Int64) -> UInt64?) throws(WireError) {
        let start = position
        var number = try zigzag("value")
        guard let first = payload(number) else { throw error(.invalidField, "value", at: start) }
        var bits = BitReader(self, "value")
        entries[0].payload = first
        for index in 1..<max(1, entries.count) {
            number = number &+ (try bits.signed())
            guard let next = payload(number) else { throw bits.error(.invalidField) }
            entries[index].payload = next
        }
        skip(to: bits.end)
    }

    mutating func integerColumn(into entries: Entries) throws(WireError) {
        try numbers(into: entries) { UInt64(bitPattern: $0) }
    }

    mutating func decimalColumn(into entries: Entries) throws(WireError) {
        let exponent = try exponent()
        try numbers(into: entries) {
            guard $0.magnitude <= DecimalDouble.columnMantissaLimit.magnitude else { return nil }
            return DecimalDouble.value(mantissa: $0, exponent: exponent).bitPattern
        }
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
