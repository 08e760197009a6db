/// The signed codes of FORMAT.md that fit ten bits, one or two at a time: most differences of a column are so short.
enum ShortCodes {
    /// What ten bits begin with.
    struct Pair {
        /// 0 when they begin with a longer code.
        var count: UInt8 = 0
        /// Of all its codes.
        var bits: UInt8 = 0
        var first: Int8 = 0
        /// First and second; the first alone when there is no second.
        var sum: Int8 = 0
    }

    static let indexBits = 10
    /// By the next ten bits.
    static let pairs: [Pair] = (0..<1 << indexBits).map(pair)
    /// Codes of a block are at most this many, their values at most this large.
    static let blockCodes = 10
    static let largest: Int64 = 32

    private static func pair(_ index: Int) -> Pair {
        guard let first = code(index, from: 0) else { return Pair() }
        guard let second = code(index, from: first.end) else {
            return Pair(count: 1, bits: UInt8(first.end), first: Int8(first.value), sum: Int8(first.value))
        }
        return Pair(count: 2, bits: UInt8(second.end), first: Int8(first.value), sum: Int8(first.value + second.value))
    }

    /// The code that begins at bit `start`; nil when it does not end within the index.
    private static func code(_ index: Int, from start: Int) -> (value: Int64, end: Int)? {
        // Class 0: 0, class 1: 10 and three bits, class 2: 110 and six bits.
        for (ones, width) in [(0, 0), (1, 3), (2, 6)] {
            let end = start + ones + 1 + width
            guard end <= indexBits else { return nil }
            let bits = index >> (indexBits - end)
            let prefix = bits >> width & ((2 << ones) - 1)
            if prefix == (2 << ones) - 2 { return (zigzagDecoded(UInt64(bits & ((1 << width) - 1))), end) }
        }
        return nil
    }
}

extension BitReader {
    /// Takes short codes for the values from `index` on, as long as there are any and `isSafe` says before each block that ten more
    /// cannot break a limit. What it leaves is taken by `signed`.
    /// - Parameter body: Takes one or two codes; there is room for two.
    @inline(__always)
    mutating func shortCodes(_ index: inout Int, until end: Int, isSafe: () -> Bool, _ body: (Int, ShortCodes.Pair) -> Void) {
        ShortCodes.pairs.withUnsafeBufferPointer { pairs in
            guard let pairs = pairs.baseAddress else { return }
            while index &+ ShortCodes.blockCodes <= end && isSafe() && fillWord() {
                for _ in 0..<ShortCodes.blockCodes / 2 {
                    let pair = pairs[peek(ShortCodes.indexBits)]
                    if pair.count == 0 { return }
                    drop(Int(pair.bits))
                    body(index, pair)
                    index &+= Int(pair.count)
                }
            }
            while index &+ 2 <= end && isSafe(), let pair = shortPair(pairs) {
                body(index, pair)
                index &+= Int(pair.count)
            }
        }
    }

    /// One or two codes, where neither the values nor the bytes may be enough for a block.
    @inline(__always)
    private mutating func shortPair(_ pairs: UnsafePointer<ShortCodes.Pair>) -> ShortCodes.Pair? {
        if windowBits < ShortCodes.indexBits { fill() }
        let pair = pairs[peek(ShortCodes.indexBits)]
        guard pair.count > 0, Int(pair.bits) <= windowBits else { return nil }
        drop(Int(pair.bits))
        return pair
    }
}
