/// Growing set of small numbers, one bit each.
struct BitSet: Hashable, Sendable {
    private var words: [UInt64] = []

    func contains(_ index: Int) -> Bool {
        let word = index >> 6
        return word < words.count && words[word] >> UInt64(index & 63) & 1 == 1
    }

    /// - Returns: whether it is new.
    @discardableResult
    mutating func insert(_ index: Int) -> Bool {
        let word = index >> 6
        if word >= words.count { words.append(contentsOf: repeatElement(0, count: max(word + 1 - words.count, words.count / 2))) }
        let bit = UInt64(1) << UInt64(index & 63)
        defer { words[word] |= bit }
        return words[word] & bit == 0
    }

    /// One past the highest number that may be in it.
    var bound: Int { words.count << 6 }

    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    func visit(_ body: (Int) -> Void) {
        for (index, word) in words.enumerated() where word != 0 {
            var rest = word
            while rest != 0 {
                body(index << 6 | rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }
}
