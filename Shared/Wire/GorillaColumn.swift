// XOR compression of doubles: Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015, section 4.1.2.
// Differs from the paper in one point: the length of the meaningful bits is stored less one, so that 64 fits six bits.

struct GorillaEncoder {
    private var previous: UInt64 = 0
    private var leading = -1
    private var trailing = 0
    private var isFirst = true

    @inline(__always)
    mutating func write(_ value: UInt64, to bits: inout BitWriter, _ bytes: inout ByteWriter) {
        defer { previous = value }
        if isFirst {
            isFirst = false
            bits.write(value, 64, to: &bytes)
            return
        }
        let difference = previous ^ value
        if difference == 0 {
            bits.write(0b0, 1, to: &bytes)
            return
        }
        let newLeading = min(31, difference.leadingZeroBitCount)
        let newTrailing = difference.trailingZeroBitCount
        if leading >= 0 && newLeading >= leading && newTrailing >= trailing {
            bits.write(0b10, 2, to: &bytes)
            bits.write(difference >> UInt64(trailing), 64 - leading - trailing, to: &bytes)
            return
        }
        (leading, trailing) = (newLeading, newTrailing)
        let length = 64 - leading - trailing
        bits.write(0b11 << 11 | UInt64(leading) << 6 | UInt64(length - 1), 13, to: &bytes)
        bits.write(difference >> UInt64(trailing), length, to: &bytes)
    }
}

struct GorillaDecoder {
    private var previous: UInt64 = 0
    private var length = 0
    private var trailing = 0
    private var isFirst = true

    @inline(__always)
    mutating func read(_ bits: inout BitReader) throws(WireError) -> UInt64 {
        if isFirst {
            isFirst = false
            previous = try bits.read(64)
            return previous
        }
        if try !bits.bit() { return previous }
        if try bits.bit() {
            let leading = Int(try bits.read(5))
            length = Int(try bits.read(6)) + 1
            guard leading + length <= 64 else { throw bits.error(.invalidField) }
            trailing = 64 - leading - length
        } else if length == 0 {
            // "As before" without a before.
            throw bits.error(.invalidField)
        }
        previous ^= try bits.read(length) << UInt64(trailing)
        return previous
    }
}
