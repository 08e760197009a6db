import Domain

/// Order statistics of a bucket's numbers: exact up to a bounded number of values, then by a sketch of bounded size and relative error.
///
/// The sketch counts by sign, exponent and the first seven bits of the fraction: values that share a cell differ by at most 1/128 of the
/// smaller one, so its middle is at most 1/256 away. (The idea of HdrHistogram and DDSketch, with the float's own logarithm.)
struct QuantileFold {
    static let exactLimit = 16_384
    static let relativeError = 1.0 / 256

    private var values: [Double] = []
    private var sketch: Sketch?
    private var count = 0

    /// Whether the answers carry `relativeError`.
    var isApproximate: Bool { sketch != nil }

    mutating func add(_ number: Double) {
        count += 1
        if sketch != nil {
            sketch?.add(number)
            return
        }
        values.append(number)
        guard values.count > Self.exactLimit else { return }
        var made = Sketch()
        for value in values { made.add(value) }
        sketch = made
        values = []
    }

    /// Answers are given in the order of `fractions`. Exact ones lie between the two nearest ranks, in proportion (`percentile_cont` of
    /// SQL); those of the sketch are the nearest rank's. Empties the fold.
    mutating func finish(_ fractions: [Double]) -> [Double?] {
        defer {
            values.removeAll(keepingCapacity: true)
            sketch = nil
            count = 0
        }
        guard count > 0 else { return fractions.map { _ in nil } }
        if let sketch { return fractions.map { sketch.value(rank: Int((Double(count - 1) * $0).rounded())) } }
        values.sort()
        return fractions.map { fraction in
            let place = Double(values.count - 1) * fraction
            let lower = Int(place)
            let (low, high) = (values[lower], values[min(lower + 1, values.count - 1)])
            return low == high ? low : low + (high - low) * (place - Double(lower))
        }
    }

    /// One page of counters per sign and exponent, made when first needed: 4,096 pages of one KiB at the very most, a handful as a rule.
    private struct Sketch {
        private static let cells = 128
        private var pages: [Int: [UInt64]] = [:]

        mutating func add(_ number: Double) {
            let bits = number.bitPattern
            pages[Int(bits >> 52), default: [UInt64](repeating: 0, count: Self.cells)][Int(bits >> 45) & 127] += 1
        }

        func value(rank: Int) -> Double? {
            var left = UInt64(rank)
            for key in pages.keys.sorted(by: Self.precedes) {
                guard let page = pages[key] else { continue }
                for step in 0..<Self.cells {
                    // Of the negative ones the largest fraction is the least number.
                    let cell = key >= 2_048 ? Self.cells - 1 - step : step
                    if left < page[cell] { return Self.middle(key, cell) }
                    left -= page[cell]
                }
            }
            return nil
        }

        private static func precedes(_ left: Int, _ right: Int) -> Bool {
            let (isLeftNegative, isRightNegative) = (left >= 2_048, right >= 2_048)
            if isLeftNegative != isRightNegative { return isLeftNegative }
            return isLeftNegative ? left > right : left < right
        }

        private static func middle(_ key: Int, _ cell: Int) -> Double {
            let low = Double(bitPattern: UInt64(key) << 52 | UInt64(cell) << 45)
            // Zero (and what is too small for an exponent of its own) and infinity have no middle.
            guard key & 2_047 != 2_047, key & 2_047 != 0 else { return low }
            return low + low.binade / Double(2 * cells)  // of a negative number its binade is negative, too
        }
    }
}
