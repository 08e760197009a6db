/// Which numbers of one stream have been stored: sorted, disjoint, closed ranges with a gap of at least one between neighbours.
///
/// Bounded: beyond ``maximumRanges`` the lowest range falls under ``floor``. Below the floor a number can no longer be told to be a
/// repeat; its reading is stored (better doubled than lost) and counted.
struct SequenceLedger: Equatable {
    struct Run: Equatable {
        var first: UInt64
        var last: UInt64
    }

    enum Verdict: Equatable { case new, duplicate, belowFloor }

    let maximumRanges: Int
    private(set) var ranges: [Run] = []
    /// Numbers below it are not tracked any more.
    private(set) var floor: UInt64 = 0
    /// Distinct numbers stored, without those below the floor.
    private(set) var received: UInt64 = 0
    private(set) var duplicates: UInt64 = 0
    /// Readings stored although their number lay below the floor.
    private(set) var belowFloor: UInt64 = 0

    init(maximumRanges: Int) { self.maximumRanges = max(1, maximumRanges) }

    /// As stored. Ranges must be sorted and disjoint; more than `maximumRanges` are cut at the low end.
    init(maximumRanges: Int, ranges: [Run], floor: UInt64, received: UInt64, duplicates: UInt64, belowFloor: UInt64) {
        self.init(maximumRanges: maximumRanges)
        self.ranges = ranges
        self.floor = floor
        self.received = received
        self.duplicates = duplicates
        self.belowFloor = belowFloor
        trim()
    }

    /// Takes one number.
    mutating func insert(_ number: UInt64) -> Verdict {
        if appends(number, number) {
            append(number, number)
            return .new
        }
        if number < floor {
            belowFloor += 1
            return .belowFloor
        }
        let index = firstIndex(endingAtOrAfter: number)
        if index < ranges.count, ranges[index].first <= number {
            duplicates += 1
            return .duplicate
        }
        place(number, before: index)
        received += 1
        trim()
        return .new
    }

    /// Takes `count` numbers from `first` if all of them lie above everything known: the common case, at the cost of one.
    /// - Returns: false when that is not so; nothing was taken then.
    mutating func insertAbove(first: UInt64, count: Int) -> Bool {
        guard count > 0 else { return true }
        let (last, overflow) = first.addingReportingOverflow(UInt64(count - 1))
        guard !overflow, appends(first, last) else { return false }
        append(first, last)
        return true
    }

    /// Numbers missing between the floor and the greatest number stored. Before the first range only what lies above a raised floor
    /// counts: a stream may begin at any number.
    var gaps: [Run] {
        var gaps: [Run] = []
        if floor > 0, let first = ranges.first, first.first > floor { gaps.append(Run(first: floor, last: first.first - 1)) }
        for (low, high) in zip(ranges, ranges.dropFirst()) { gaps.append(Run(first: low.last + 1, last: high.first - 1)) }
        return gaps
    }

    var missing: UInt64 { gaps.reduce(0) { $0 + ($1.last - $1.first + 1) } }

    private func appends(_ first: UInt64, _ last: UInt64) -> Bool {
        guard let highest = ranges.last else { return first >= floor }
        return first > highest.last
    }

    private mutating func append(_ first: UInt64, _ last: UInt64) {
        received += last - first + 1
        if let highest = ranges.last, highest.last + 1 == first {
            ranges[ranges.count - 1].last = last
        } else {
            ranges.append(Run(first: first, last: last))
            trim()
        }
    }

    private func firstIndex(endingAtOrAfter number: UInt64) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].last < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Puts a number that lies in no range in front of `ranges[index]`, joining neighbours that it touches.
    private mutating func place(_ number: UInt64, before index: Int) {
        let touchesLow = index > 0 && ranges[index - 1].last + 1 == number
        let touchesHigh = index < ranges.count && number + 1 == ranges[index].first
        switch (touchesLow, touchesHigh) {
        case (true, true):
            ranges[index - 1].last = ranges[index].last
            ranges.remove(at: index)
        case (true, false): ranges[index - 1].last = number
        case (false, true): ranges[index].first = number
        case (false, false): ranges.insert(Run(first: number, last: number), at: index)
        }
    }

    private mutating func trim() {
        guard ranges.count > maximumRanges else { return }
        let surplus = ranges.count - maximumRanges
        floor = ranges[surplus - 1].last + 1
        ranges.removeFirst(surplus)
    }
}
