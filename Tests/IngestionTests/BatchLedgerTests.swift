import Testing

@testable import Ingestion

@Suite struct BatchLedgerTests {
    @Test func aBatchIsSafeWhenEveryRecordIsStored() {
        var ledger = BatchLedger()
        let first = ledger.beginMessage()
        ledger.recordSent(tag: first)
        ledger.recordSent(tag: first)
        ledger.settle(tag: first, as: .produced(samples: 5))
        let second = ledger.beginMessage()
        ledger.recordSent(tag: second)
        ledger.settle(tag: second, as: .rejected(reason: 1))
        ledger.recordReported(tag: first, stored: true)
        #expect(!ledger.isSafe && ledger.outstandingRecords == 2)
        ledger.recordReported(tag: second, stored: true)
        ledger.recordReported(tag: first, stored: true)
        #expect(ledger.isSafe)
        #expect(ledger.summary(reasons: 2) == BatchSummary(produced: 1, samples: 5, rejected: [0, 1], returned: 0))
        ledger.removeAll()
        #expect(ledger.isSafe && ledger.messages == 0)
    }

    @Test func aFailedRecordGivesItsMessageBackAndSpoilsTheBatch() {
        var ledger = BatchLedger()
        for _ in 0..<3 { ledger.recordSent(tag: ledger.beginMessage()) }
        ledger.recordReported(tag: 0, stored: true)
        ledger.recordReported(tag: 1, stored: false)
        #expect(!ledger.isSafe)
        // The third was never reported.
        #expect(ledger.summary(reasons: 0) == BatchSummary(produced: 1, samples: 0, rejected: [], returned: 2))
    }

    @Test func strangeReportsAreIgnored() {
        var ledger = BatchLedger()
        ledger.recordSent(tag: ledger.beginMessage())
        let answers = [(7, false), (0, true), (0, false)].map { ledger.recordReported(tag: $0, stored: $1) }
        #expect(answers == [false, true, false])
        #expect(ledger.isSafe)
    }

    @Test func theDelayGrowsAndIsBounded() {
        var delay = ReconnectDelay()
        #expect((0..<8).map { _ in delay.next() } == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
        delay.reset()
        #expect(delay.next() == 100)
    }
}
