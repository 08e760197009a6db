import TestSupport
import Testing

@testable import TimeseriesWriter

/// The oracle: every number ever stored, in a set.
private struct NaiveLedger {
    var stored: Set<UInt64> = []
    var duplicates: UInt64 = 0

    mutating func insert(_ number: UInt64) -> SequenceLedger.Verdict {
        if stored.insert(number).inserted { return .new }
        duplicates += 1
        return .duplicate
    }

    var ranges: [SequenceLedger.Run] {
        stored.sorted().reduce(into: []) { runs, number in
            if let last = runs.last, last.last + 1 == number {
                runs[runs.count - 1].last = number
            } else {
                runs.append(SequenceLedger.Run(first: number, last: number))
            }
        }
    }
}

@Suite("Ledger of a stream")
struct SequenceLedgerTests {
    @Test(arguments: 0..<40) func agreesWithASetWhileItsRangesFit(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var ledger = SequenceLedger(maximumRanges: 10_000)
        var naive = NaiveLedger()
        let width = UInt64.random(in: 20...4_000, using: &random)
        for _ in 0..<1_500 {
            let first = UInt64.random(in: 0...width, using: &random)
            let count = Int.random(in: 1...6, using: &random)
            if Bool.random(using: &random), ledger.insertAbove(first: first, count: count) {
                for offset in 0..<count { #expect(naive.insert(first + UInt64(offset)) == .new) }
            } else {
                #expect(ledger.insert(first) == naive.insert(first))
            }
        }
        #expect(ledger.ranges == naive.ranges)
        #expect(ledger.received == UInt64(naive.stored.count))
        #expect(ledger.duplicates == naive.duplicates)
        #expect(ledger.floor == 0 && ledger.belowFloor == 0)
        let highest = naive.stored.max() ?? 0
        let lowest = naive.stored.min() ?? 0
        #expect(ledger.missing == highest - lowest + 1 - UInt64(naive.stored.count))
    }

    /// Over its bound the ledger may forget, but never call a number a repeat that was not stored.
    @Test(arguments: 0..<40) func neverDropsANewNumberWhateverItsBound(seed: Int) {
        var random = SeededRandom(seed: 1_000 + UInt64(seed))
        let bound = Int.random(in: 1...8, using: &random)
        var ledger = SequenceLedger(maximumRanges: bound)
        var naive = NaiveLedger()
        for _ in 0..<2_000 {
            let number = UInt64.random(in: 0...600, using: &random)
            let wasStored = naive.stored.contains(number)
            let floor = ledger.floor
            switch ledger.insert(number) {
            case .duplicate: #expect(wasStored, "\(number) was dropped and never stored")
            case .new: #expect(!wasStored)
            case .belowFloor: #expect(number < floor)
            }
            _ = naive.insert(number)
            #expect(ledger.ranges.count <= bound)
            #expect(ledger.floor >= floor)
        }
    }

    @Test func aStreamInOrderIsOneRange() {
        var ledger = SequenceLedger(maximumRanges: 4)
        for number in UInt64(100)..<1_100 { #expect(ledger.insert(number) == .new) }
        #expect(ledger.ranges == [SequenceLedger.Run(first: 100, last: 1_099)])
        #expect(ledger.gaps.isEmpty)
    }

    @Test func gapsAreBetweenRanges() {
        var ledger = SequenceLedger(maximumRanges: 16)
        for number: UInt64 in [5, 6, 9, 20] { _ = ledger.insert(number) }
        #expect(ledger.gaps == [SequenceLedger.Run(first: 7, last: 8), SequenceLedger.Run(first: 10, last: 19)])
        #expect(ledger.missing == 12)
    }

    @Test func theOldestRangeFallsUnderTheFloor() {
        var ledger = SequenceLedger(maximumRanges: 2)
        for number: UInt64 in [1, 3, 5] { _ = ledger.insert(number) }
        #expect(ledger.floor == 2)
        #expect(ledger.insert(1) == .belowFloor)
        #expect(ledger.insert(2) == .new)
        #expect(ledger.insert(3) == .duplicate)
        #expect(ledger.belowFloor == 1)
        #expect(ledger.ranges == [SequenceLedger.Run(first: 2, last: 3), SequenceLedger.Run(first: 5, last: 5)])
    }

    @Test func theHighestNumbersDoNotOverflow() {
        let top = UInt64(Int64.max) - 1
        var ledger = SequenceLedger(maximumRanges: 4)
        let tookTop = ledger.insertAbove(first: top - 1, count: 2)
        #expect(tookTop)
        #expect(ledger.insert(top) == .duplicate)
        #expect(ledger.insert(top - 2) == .new)
        #expect(MultirangeText.encode(ledger.ranges) == "{[9223372036854775804,9223372036854775807)}")
        let tookBeyond = ledger.insertAbove(first: .max, count: 2)
        #expect(!tookBeyond)
    }

    @Test func rangesSurviveTheirText() {
        let ranges = [SequenceLedger.Run(first: 0, last: 0), SequenceLedger.Run(first: 7, last: 12)]
        #expect(MultirangeText.encode(ranges) == "{[0,1),[7,13)}")
        #expect(MultirangeText.decode("{[0,1),[7,13)}") == ranges)
        #expect(MultirangeText.decode("{}") == [])
        for broken in ["", "{", "{[1,2)", "{[1,2]}", "{[2,2)}", "{[,2)}", "{[1,)}", "{[1,2)}x", "[1,2)", "{[-1,2)}"] {
            #expect(MultirangeText.decode(broken) == nil, "\(broken)")
        }
    }
}

@Suite("Ledgers in memory")
struct LedgerBookTests {
    private func key(_ number: Int) -> StreamKey { StreamKey(device: Int32(number), stream: 1) }

    @Test func idleLedgersGoBusyOnesStay() {
        var book = LedgerBook(capacity: 20, maximumRanges: 4)
        for batch in 0..<50 {
            #expect(book.touch(key(-1)) == (batch == 0), "the busy stream is loaded once")
            if batch == 0 { book.load(key(-1), nil) }
            #expect(book.insert(UInt64(batch), into: key(-1)) == .new)
            for number in 0..<5 {
                let other = key(batch * 5 + number)
                if book.touch(other) { book.load(other, nil) }
                #expect(book.insert(1, into: other) == .new)
            }
            book.commit()
            #expect(book.count <= 30)
        }
        _ = book.touch(key(-1))
        #expect(book[key(-1)]?.ledger.received == 50)
    }

    @Test func versionsCountCommitsAndAFailureForgetsAll() {
        var book = LedgerBook(capacity: 10, maximumRanges: 4)
        for _ in 0..<3 {
            if book.touch(key(1)) { book.load(key(1), nil) }
            _ = book.insert(UInt64.random(in: 0...9), into: key(1))
            book.commit()
        }
        #expect(book[key(1)]?.version == 3)
        #expect(book.touched.isEmpty)
        book.removeAll()
        let mustLoad = book.touch(key(1))
        #expect(mustLoad)
    }
}
