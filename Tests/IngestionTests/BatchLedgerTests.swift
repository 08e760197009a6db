import Testing

@testable import Ingestion

@Suite struct BatchLedgerTests {
    @Test func aBatchIsSafeWhenEveryRecordIsStored() {
        var ledger = BatchLedger()
        let tags = (0..<3).map { _ in ledger.beginRecord() }
        ledger.settle(as: .produced(samples: 5), from: tags[0], count: 2)
        ledger.settle(as: .rejected(reason: 1), from: tags[2])
        ledger.recordReported(tag: tags[0], stored: true)
        #expect(!ledger.isSafe && ledger.outstandingRecords == 2)
        ledger.recordReported(tag: tags[2], stored: true)
        ledger.recordReported(tag: tags[1], stored: true)
        #expect(ledger.isSafe)
        #expect(ledger.summary(reasons: 2) == BatchSummary(produced: 1, samples: 5, records: 3, rejected: [0, 1], returned: 0))
        ledger.removeAll()
        #expect(ledger.isSafe && ledger.messages == 0)
    }

    @Test func aFailedRecordGivesBackEveryMessageInIt() {
        var ledger = BatchLedger()
        let (stored, failed, open) = (ledger.beginRecord(), ledger.beginRecord(), ledger.beginRecord())
        ledger.settle(as: .produced(samples: 1), from: stored)
        for _ in 0..<3 { ledger.settle(as: .produced(samples: 1), from: failed) }
        // Of two records, one is stored and one is never reported.
        ledger.settle(as: .produced(samples: 2), from: failed, count: 2)
        ledger.settle(as: .produced(samples: 1), from: open)
        ledger.recordReported(tag: stored, stored: true)
        ledger.recordReported(tag: failed, stored: false)
        #expect(!ledger.isSafe)
        #expect(ledger.summary(reasons: 0) == BatchSummary(produced: 1, samples: 1, records: 1, rejected: [], returned: 5))
    }

    @Test func anAbandonedMessageSpoilsTheBatch() {
        var ledger = BatchLedger()
        ledger.abandon()
        #expect(!ledger.isSafe && ledger.messages == 1)
        #expect(ledger.summary(reasons: 0).returned == 1)
    }

    @Test func aDroppedMessageNeedsNoRecord() {
        var ledger = BatchLedger()
        ledger.drop(reason: 1)
        #expect(ledger.isSafe && ledger.messages == 1)
        #expect(ledger.summary(reasons: 2) == BatchSummary(rejected: [0, 0], dropped: [0, 1]))
        // It is counted even if its neighbour comes again: then so does it, and is received anew.
        let tag = ledger.beginRecord()
        ledger.settle(as: .produced(samples: 1), from: tag)
        ledger.recordReported(tag: tag, stored: false)
        let summary = ledger.summary(reasons: 2)
        #expect(!ledger.isSafe && summary.rejectedTotal == 1 && summary.returned == 1)
    }

    @Test func strangeReportsAreIgnored() {
        var ledger = BatchLedger()
        _ = ledger.beginRecord()
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
